"""Generates samples with the generator of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfgan2 import runs
from tfgan2.errors import UserError
from tfgan2.inputs.labels import choose_labels, label_columns
from tfgan2.inputs.latents import walk
from tfgan2.inputs.words import in_turn

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel


@dataclass(frozen=True)
class Samples:
    """Generated samples.

    Attributes:
        images: float32, in [-1, 1] unless they are points, shape (N, height, width, channels).
        latents: float32, shape (N, latent_dim).
        labels: int32, shape (N,), or None.
        columns: columns of a grid of them; None: as square as possible.
        model: the model that generated them.
        step: its number of steps.
    """

    images: np.ndarray
    latents: np.ndarray
    labels: np.ndarray | None
    columns: int | None
    model: GenerativeModel
    step: int


def draw_samples(
    run_dir: Path,
    count: int | None = None,
    *,
    seed: int = 0,
    label: Sequence[str] | str = (),
    text: Sequence[str] | str = (),
    latents: np.ndarray | None = None,
    checkpoint: str | int = runs.NEWEST,
    interpolate: bool = False,
    frames: int = 10,
    last_frame: bool = True,
) -> Samples:
    """Generates samples.

    Args:
        run_dir: the run directory.
        count: number of samples; default: about 64, 2500 points, or 8 latents to interpolate.
        seed: seed of the latents.
        label: classes by name or number, taken in turn; default: all.
        text: sentences, taken in turn, for flavours that take them.
        latents: shape (N, latent_dim), in place of `count` and `seed`.
        checkpoint: "newest", "best" or a step.
        interpolate: walk from one latent to the next along arcs, with one label or text.
        frames: samples from one latent to the next.
        last_frame: include the sample of the last latent.

    Raises:
        UserError: a value is not possible, or there is no such checkpoint.
    """
    label = [label] if isinstance(label, str) else list(label)
    text = [text] if isinstance(text, str) else list(text)
    if latents is not None and count is not None:
        raise UserError("give count or latents, not both: the latents set the count")
    number = count if latents is None else len(latents)
    least = 2 if interpolate else 1
    for name, value, smallest in (
        ("count" if latents is None else "number of latents", number, least),
        ("frames", frames, 2),
        ("seed", seed, 0),
    ):
        if value is not None and value < smallest:
            raise UserError(f"{name} must be at least {smallest}, not {value}")
    model, about = runs.load_model(run_dir, str(checkpoint))
    captions, names = getattr(model, "captions", ()), about["class_names"]
    if text and not captions:
        raise UserError(f"{about['flavour']} takes no text: leave it out")
    if latents is None:
        count = count or (8 if interpolate else model.preview_count())
        latents = model.draw_latents(count, seed=seed)
    columns = None
    if interpolate:
        latents = walk(latents, frames)
        if not last_frame:
            latents, columns = latents[:-1], frames  # a row for each pair of latents
        # A walk keeps one class: between two classes there is nothing.
        label, text = label or names[:1], text or list(captions[:1])
        if len(label) > 1 or len(text) > 1:
            raise UserError("interpolate takes one label or text")
    labels = choose_labels(len(latents), label or None, names)
    columns = columns or label_columns(len(text or captions) or len(label or names))
    condition = in_turn(text or captions, len(latents)) if captions else labels
    samples = model.generate(latents, condition)
    return Samples(samples, latents, labels, columns, model, about["step"])
