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
    """Shows data, model and training in one line each.

    Args:
        session: what will train.
        devices: names of the devices.
    """
    config, dataset, training = session.config, session.dataset, session.config.training
    shape = "x".join(map(str, dataset.image_shape))
    storage = "in memory" if dataset.in_memory else "streamed"
    held_out = f", {dataset.held_out.num_images:,} held out" if dataset.held_out else ""
    noun = "pairs" if dataset.kind == "pairs" else "images"
    session.display.say(
        f"data: {config.data.name}, {dataset.num_images:,} {noun} of {shape}{held_out}, {storage}"
    )
    networks = session.model.networks().items()
    sizes = ", ".join(f"{name} {network.count_params():,}" for name, network in networks)
    session.display.say(f"model: {config.flavour}, weights: {sizes}")
    processes = session.worker.part.of
    if session.worker.replicas > 1:
        shared = f" in {processes} processes" if processes > 1 else ""
        devices += f", {session.worker.replicas} replicas{shared}"
    session.display.say(
        f"training: {training.steps:,} steps of {training.batch_size} images, "
        f"{training.precision}, on {devices}"
    )


def describe_fully(session: Session) -> None:
    """Shows the configuration, the networks and a batch: a dry run."""
    say, training = session.display.say, session.config.training
    say(session.config.to_json().rstrip())
    for name, network in session.model.networks().items():
        megabytes = network.count_params() * 4 / 1e6
        say(
            f"{name}: {network.input_shape} -> {network.output_shape}, "
            f"{network.count_params():,} weights, {megabytes:.1f} MB in float32"
        )
    assert training.batch_size is not None
    size = training.batch_size * session.model.batches_per_step
    batch = next(iter(session.dataset.batches(size, seed=training.seed)))
    parts = batch if isinstance(batch, tuple) else (batch,)
    for name, part in zip(_PARTS[session.config.dataset["kind"]], parts, strict=False):
        low, high = part.numpy().min(), part.numpy().max()
        say(f"a batch's {name}: {part.dtype.name} {tuple(part.shape)}, {low:g} to {high:g}")
    say("dry run: nothing was written")
