"""Shows what a session trains before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfgan2 import registry
from tfgan2.costs.estimate import in_words, training_seconds
from tfgan2.data.dataset import parts
from tfgan2.data.description import describe as describe_data
from tfgan2.keras_model.batches import step_specs
from tfgan2.training import memory
from tfgan2.training.building import compiled_step

if TYPE_CHECKING:
    from tfgan2.training.session import Session

_PARTS = {
    "images": ("images", "labels"),
    "pairs": ("inputs", "targets"),
    "unpaired": ("images A", "images B"),
    "captions": ("images", "words"),
    "taught": ("images", "latents", "labels"),
}


def describe(session: Session, devices: str) -> None:
    """Shows the data, the model and the training in a few lines; `devices` are names."""
    config, worker, say = session.config, session.worker, session.display.say
    training = config.training
    for line in describe_data(session.dataset, can_change=session.is_new):
        say(line)
    networks = session.model.networks().items()
    sizes = ", ".join(f"{name} {network.count_params():,}" for name, network in networks)
    say(f"model: {config.flavour}, weights: {sizes}")
    if worker.replicas > 1:
        shared = f" in {worker.part.of} processes" if worker.part.of > 1 else ""
        devices += f", {worker.replicas} replicas{shared}"
    divided = f" in {training.accumulate} micro-batches" if training.accumulate > 1 else ""
    size = f"{training.batch_size} images{divided}"
    say(f"training: {training.steps:,} steps of {size}, {training.precision}, on {devices}")
    if session.taken:
        say(session.taken)
    if training.preset and session.is_new and not session.display.console.quiet:
        _describe_preset(session, training.preset)


def _describe_preset(session: Session, name: str) -> None:
    """Shows the values in effect of what the preset sets, and the time to expect."""
    config, say = session.config, session.display.say
    values = {**vars(config.training), **config.hyperparameters}
    names = registry.outline(config.flavour).Config.presets[name]
    shown = ", ".join(f"{key}={values[key]}" for key in names) or "the defaults"
    say(f"preset {name}: {shown}")
    share = (config.training.batch_size or 1) // session.worker.replicas
    model = memory.Estimator(config).model
    seconds = training_seconds(model, step_specs(model, share), config.training.steps)
    say(f"expected time: {in_words(seconds)} (an estimate)")


def describe_fully(session: Session) -> None:
    """Shows the configuration, the networks and a batch: a dry run."""
    say = session.display.say
    say(session.config.to_json().rstrip())
    for name, network in session.model.networks().items():
        weights = network.count_params()
        say(
            f"{name}: {network.input_shape} -> {network.output_shape}, "
            f"{weights:,} weights, {weights * 4 / 1e6:.1f} MB in float32"
        )
    seed = session.config.training.seed
    batch = next(iter(session.dataset.batches(session.images_per_step, seed=seed)))
    _describe_memory(session, batch)
    for name, part in zip(_PARTS[session.dataset.kind], parts(batch), strict=False):
        low, high = part.numpy().min(), part.numpy().max()
        say(f"a batch's {name}: {part.dtype.name} {tuple(part.shape)}, {low:g} to {high:g}")
    say("dry run: nothing was written")


def _describe_memory(session: Session, batch: Any) -> None:
    """Shows the estimate of a step's memory, and what it takes where it runs."""
    model, training, say = session.model, session.config.training, session.display.say
    share = (training.batch_size or 1) // session.worker.replicas
    estimate = memory.Estimator(session.config).estimate(share, training.accumulate)
    variables, images, tensors, total = map(
        memory.amount, (estimate.variables, estimate.batch, estimate.tensors, estimate.total)
    )
    say(
        f"memory of a step, estimated: {total} (variables {variables}, batch {images}, "
        f"what it computes {tensors})"
    )
    if session.worker.replicas > 1:
        return
    model.phase = model.phase_at(training.steps - 1)
    step = compiled_step(model, training)
    with memory.telling_what_fits(session.config, 1, None, resumes=not session.is_new):
        measured = memory.measure(lambda: step(batch))
    if measured is not None:
        total = memory.amount(estimate.variables + estimate.batch + measured)
        say(f"memory of a step, measured: {total}")
