"""What a run trains: its data and its model, checked against each other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfgan2 import registry, runs
from tfgan2.data import POINTS, changes, kind_of, load_dataset
from tfgan2.data.naming import advice_for_kind, check_name
from tfgan2.errors import UserError, cause_of
from tfgan2.kernels import compiled_update
from tfgan2.nn.precision import precision

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.models.base import Batch, GenerativeModel, Metrics
    from tfgan2.options import TrainingOptions
    from tfgan2.training.progress import Display


def make_deterministic() -> None:
    """Asks for bitwise repeatable steps; else a resumed run only comes close to the same weights.

    The kernels of a GPU are slower then; those of the CPU repeat anyway. Without XLA, TensorFlow's
    arithmetic optimizer orders sums by the names of layers, which count all layers of the process.
    """
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def determinism_errors(*, resumes: bool = False) -> Iterator[None]:
    """Makes a UserError if an operation has no deterministic kernel.

    A run that `resumes` remains deterministic.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if "determinis" not in error.message.lower():
            raise
        problem = (
            "this device cannot compute an operation of the model in the same bits each time "
            f"({cause_of(error.message)[:200]})"
        )
        if resumes:
            raise UserError(f"{problem}: resume it on the kind that it began on") from error
        raise UserError(problem, ": give --no-deterministic") from error


def build_model(
    flavour: str,
    hyperparameters: Mapping[str, Any],
    policy: str,
    *,
    sync_batch_norm: bool = False,
    accumulate: int = 1,
) -> GenerativeModel:
    """Builds and compiles a model; with `sync_batch_norm` its statistics are over all replicas.

    `accumulate` is the number of micro-batches of an update.
    """
    with precision(policy):
        model = registry.create(flavour, **hyperparameters)
        if sync_batch_norm:
            for network in model.networks().values():
                synchronize_batch_norm(network)
        model.compile(accumulate=accumulate)
    return model


def compiled_step(model: GenerativeModel, options: TrainingOptions) -> Callable[[Batch], Metrics]:
    """Returns the model's step in its present phase, compiled for one device."""
    return compiled_update(model, xla=options.xla, fast_convolutions=options.winograd)


def synchronize_batch_norm(network: keras.Model) -> None:
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def load_data(
    config: runs.RunConfig,
    display: Display,
    run_dir: Path,
    pipeline: tf.data.Dataset | None = None,
) -> ImageDataset:
    """Loads a run's data, and resolves in its configuration what depends on them.

    The run directory of a new run is not read. `pipeline` holds the data that have no name.

    Raises:
        UserError: they do not suit the flavour, or have changed since the run began.
    """
    flavour, name, before = registry.load_class(config.flavour), config.data.name, config.dataset
    check_name(name, flavour.data_kind)
    points = name in POINTS and not hasattr(flavour, "draw_latents")
    if points or kind_of(name) != flavour.data_kind:
        reason = ", which holds points" if points else ""
        raise UserError(
            f"{config.flavour} cannot train on {name!r}{reason}: "
            f"{advice_for_kind(name, flavour.data_kind)}"
        )
    if config.data.hold_out is None:
        config.data.hold_out = flavour.hold_out
    config.training.batch_size = config.training.batch_size or flavour.batch_size
    with contextlib.closing(display):
        dataset = load_dataset(**vars(config.data), progress=display.loading, pipeline=pipeline)
    if before and before["fingerprint"] != dataset.fingerprint:
        if pipeline is None or {**before, "fingerprint": dataset.fingerprint} != dataset.facts:
            raise UserError(
                f"{name} does not hold the data that the run began with: "
                f"{changes.differences(run_dir, before, dataset)}; restore it, or start a new run"
            )
        display.say("warning: the samples of the pipeline are not those that the run began with")
    now = runs.versions()
    if config.versions and config.versions != now:
        before_and_now = (
            f"{name} {config.versions.get(name, 'none')}, now {now.get(name, 'none')}"
            for name in {**config.versions, **now}
            if config.versions.get(name) != now.get(name)
        )
        display.say(
            f"warning: the run began with {'; '.join(before_and_now)}: "
            "the last digits of the weights may differ"
        )
    if not before and config.training.preset is not None:
        registry.check_preset(config.flavour, config.training.preset, dataset.image_shape)
    config.dataset, config.versions = dataset.facts, now
    try:
        config.hyperparameters.update(flavour.data_hyperparameters(config.dataset))
    except UserError as error:
        raise UserError(f"{config.flavour} {error}, {name} has none") from error
    return dataset
