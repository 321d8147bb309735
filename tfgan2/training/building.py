"""What a run trains: its data and its model, checked against each other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfgan2 import registry, runs
from tfgan2.data import KINDS, POINTS, kind_of, load_dataset
from tfgan2.errors import UserError

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.models.base import GenerativeModel
    from tfgan2.training.progress import Display


def make_deterministic() -> None:
    """Asks for bitwise repeatable GPU kernels; those of the CPU are.

    They are slower, but without them a resumed run would only come close to an uninterrupted one.
    """
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers made in the block compute with this Keras policy, for example mixed_float16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_model(
    flavour: str, hyperparameters: Mapping[str, Any], policy: str, *, sync_batch_norm: bool = False
) -> GenerativeModel:
    """Builds and compiles a model; with `sync_batch_norm` its statistics are over all replicas."""
    with precision(policy):
        model = registry.create(flavour, **hyperparameters)
        if sync_batch_norm:
            for network in model.networks().values():
                synchronize_batch_norm(network)
        model.compile()
    return model


def synchronize_batch_norm(network: keras.Model) -> None:
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def load_data(config: runs.RunConfig, display: Display) -> ImageDataset:
    """Loads a run's data, and resolves in its configuration what depends on them.

    Raises:
        UserError: they do not suit the flavour, or have changed since the run began.
    """
    flavour, name, before = registry.load_class(config.flavour), config.data.name, config.dataset
    points = name in POINTS and not hasattr(flavour, "draw_latents")
    if points or kind_of(name) != flavour.data_kind:
        reason = ", which holds points" if points else ""
        form, _, path = name.partition(":")
        paired = form == "folder" and flavour.data_kind in ("pairs", "unpaired")
        give = repr(f"{flavour.data_kind}:{path}") if paired else KINDS[flavour.data_kind].give
        raise UserError(f"{config.flavour} cannot train on {name!r}{reason}: give {give}")
    if config.data.hold_out is None:
        config.data.hold_out = flavour.hold_out
    config.training.batch_size = config.training.batch_size or flavour.batch_size
    with contextlib.closing(display):
        dataset = load_dataset(**vars(config.data), progress=display.loading)
    if before and before["fingerprint"] != dataset.fingerprint:
        raise UserError(
            f"the dataset {name} has changed since the run began, from "
            f"{before['num_images']:,} images to {dataset.num_images:,}: start a new run"
        )
    now = runs.versions()
    if config.versions and config.versions != now:
        display.say(
            f"warning: the run began with {config.versions}, this is {now}: "
            "the last digits of the weights may differ"
        )
    config.dataset, config.versions = dataset.facts, now
    try:
        config.hyperparameters.update(flavour.data_hyperparameters(config.dataset))
    except UserError as error:
        raise UserError(f"{config.flavour} {error}, {name} has none") from error
    return dataset
