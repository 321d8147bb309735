"""Shows what will train, before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfgan2.training.session import Session

_PARTS = {
    "images": ("images", "labels"),
    "pairs": ("inputs", "targets"),
    "unpaired": ("images A", "images B"),
    "captions": ("images", "words"),
}


def describe(session: Session, devices: str) -> None:
    """Shows data, model and training in one line each; `devices` are names."""
    config, dataset, say = session.config, session.dataset, session.display.say
    training, worker = config.training, session.worker
    shape = "x".join(map(str, dataset.image_shape))
    noun = "pairs" if dataset.kind == "pairs" else "images"
    held_out = f", {dataset.held_out.num_images:,} held out" if dataset.held_out else ""
    storage = "in memory" if dataset.in_memory else "streamed"
    say(f"data: {config.data.name}, {dataset.num_images:,} {noun} of {shape}{held_out}, {storage}")
    networks = session.model.networks().items()
    sizes = ", ".join(f"{name} {network.count_params():,}" for name, network in networks)
    say(f"model: {config.flavour}, weights: {sizes}")
    if worker.replicas > 1:
        shared = f" in {worker.part.of} processes" if worker.part.of > 1 else ""
        devices += f", {worker.replicas} replicas{shared}"
    steps, size, precision = training.steps, training.batch_size, training.precision
    say(f"training: {steps:,} steps of {size} images, {precision}, on {devices}")


def describe_fully(session: Session) -> None:
    """Shows the configuration, the networks and a batch: a dry run."""
    say, training = session.display.say, session.config.training
    say(session.config.to_json().rstrip())
    for name, network in session.model.networks().items():
        weights = network.count_params()
        say(
            f"{name}: {network.input_shape} -> {network.output_shape}, "
            f"{weights:,} weights, {weights * 4 / 1e6:.1f} MB in float32"
        )
    batches = session.dataset.batches(session.images_per_step, seed=training.seed)
    batch = next(iter(batches))
    parts = batch if isinstance(batch, tuple) else (batch,)
    for name, part in zip(_PARTS[session.dataset.kind], parts, strict=False):
        low, high = part.numpy().min(), part.numpy().max()
        say(f"a batch's {name}: {part.dtype.name} {tuple(part.shape)}, {low:g} to {high:g}")
    say("dry run: nothing was written")
