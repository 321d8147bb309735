"""Generates samples with the generator of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2 import runs
from tfgan2.errors import UserError
from tfgan2.inputs.labels import choose_labels, class_walk, label_columns
from tfgan2.inputs.latents import check_latents, walk
from tfgan2.inputs.words import in_turn
from tfgan2.options import Options, option

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel

FRAMES = 10


@dataclass
class SampleRequest(Options):
    """Which samples to generate.

    Attributes:
        label: classes by name or number, taken in turn; default: all.
        text: sentences, taken in turn, for flavours that take them.
        latents: shape (N, latent_dim), in place of `count` and `seed`.
        checkpoint: "newest", "best" or a step.
        last_frame: include the sample of the last latent of a walk, which has one label or text.
    """

    count: int | None = option(
        None,
        "Number of samples; default about 64, 2500 points, 8 latents to interpolate.",
        panel="",
        at_least=1,
    )
    seed: int = option(0, "Seed of the latents.", panel="")
    interpolate: bool = option(
        False,
        "Walk from one latent to the next along arcs; with several labels, at each latent from one "
        "class to the next.",
        panel="",
    )
    frames: int | None = option(
        None,
        "Images from one latent or class to the next.",
        panel="",
        at_least=2,
        shown="10, in a .gif 24",
    )
    truncation: float | None = option(
        None,
        "Small: more typical, less varied images; stylegan2: fraction of the way from the mean "
        "style, biggan, reacgan: largest latent.",
        panel="",
        at_least=0,
        shown="none",
    )
    standing_statistics: int = option(
        0,
        "Batches of 64 latents that batch norms take their statistics from; 0: from training.",
        panel="",
    )
    label: Sequence[str | int] | str | int | None = None
    text: Sequence[str] | str | None = None
    latents: np.ndarray | None = None
    checkpoint: str | int = runs.NEWEST
    last_frame: bool = True

    def check(self) -> None:
        super().check()
        if self.frames is not None and not self.interpolate:
            raise UserError("frames are those of a walk: give interpolate, or leave frames out")


@dataclass(frozen=True)
class Samples:
    """Generated samples.

    Attributes:
        images: float32, in [-1, 1] unless they are points, shape (N, height, width, channels).
        latents: float32, shape (N, latent_dim).
        labels: int32, shape (N,), or None; between classes their weights, float32, shape
            (N, number of classes).
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


def _texts(given: Any) -> list[str]:
    """Returns one value or several as texts; none of None."""
    if given is None:
        return []
    return (
        [str(given)] if isinstance(given, str) or not np.iterable(given) else list(map(str, given))
    )


def draw_samples(run_dir: Path, request: SampleRequest) -> Samples:
    """Generates samples; raises a UserError if a value is not possible, or without checkpoint."""
    request.check()
    count, latents, interpolate = request.count, request.latents, request.interpolate
    frames = request.frames or FRAMES
    label, text = _texts(request.label), _texts(request.text)
    if latents is not None and count is not None:
        raise UserError("give count or latents, not both: the latents set the count")
    number, name = count, "count"
    if latents is not None:
        number, name = len(np.atleast_1d(latents)), "number of latents"
    between_classes = interpolate and len(label) > 1
    least = 2 if interpolate and not between_classes else 1
    if number is not None and number < least:
        raise UserError(f"{name} must be at least {least}, not {number}")
    model, about = runs.load_model(run_dir, str(request.checkpoint))
    captions, names = getattr(model, "captions", ()), about["class_names"]
    if text and not captions:
        raise UserError(f"{about['flavour']} takes no text: leave it out")
    if latents is None:
        count = count or (8 if interpolate else model.preview_count())
        latents = model.draw_latents(count, seed=request.seed)
    latents = check_latents(latents, model.latent_dim)
    columns, labels = None, None
    if between_classes:
        classes = choose_labels(len(label), label, names)
        assert classes is not None  # labels for an unconditional generator were refused
        weights = class_walk(classes, len(names), frames)
        labels, columns = np.tile(weights, (len(latents), 1)), len(weights)  # a row for each latent
        latents = np.repeat(latents, columns, axis=0)
    elif interpolate:
        latents = walk(latents, frames)
        if not request.last_frame:
            latents, columns = latents[:-1], frames  # a row for each pair of latents
        label, text = label or names[:1], text or list(captions[:1])
        if len(text) > 1:
            raise UserError("interpolate takes one text")
    if labels is None:
        labels = choose_labels(len(latents), label or None, names)
    columns = columns or label_columns(len(text or captions) or len(label or names))
    condition = in_turn(text or captions, len(latents)) if captions else labels
    samples = model.generate(
        latents,
        condition,
        truncation=request.truncation,
        standing_statistics=request.standing_statistics,
    )
    return Samples(samples, latents, labels, columns, model, about["step"])
