"""What a teacher draws for its student."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2 import runs
from tfgan2.command import command_text
from tfgan2.data.request import MEMORY_LIMIT, Progress
from tfgan2.data.taught import Taught
from tfgan2.errors import UserError
from tfgan2.images import is_points, resize_matrix, to_uint8
from tfgan2.inputs.latents import draw_latents

MOST_IMAGES = 50_000
_SEED = 2_000_000  # so that the latents are not those of samples or evaluations
_AT_ONCE = 500


def taught_by(
    run_dir: Path,
    *,
    checkpoint: str = runs.NEWEST,
    count: int | None = None,
    size: tuple[int, int] | None = None,
    progress: Progress = lambda text, done, total: None,
) -> Taught:
    """Draws images of a trained run, with random latents and all labels in turn.

    Args:
        run_dir: the run of a flavour that takes latents, and perhaps labels.
        checkpoint: as for `runs.load_model`.
        count: number of images; default: 50,000, or what fits 1 GiB.
        size: height and width to resize the images to; default: as they are.
        progress: called with what is being done, how much of it is done, and the total.

    Raises:
        UserError: the flavour takes images or texts, or makes points; or too many images.
    """
    model, about = runs.load_model(run_dir, checkpoint)
    flavour = about["flavour"]
    check_teacher(model, flavour)
    shape = (*(size or model.image_shape[:2]), model.image_shape[2])
    most = MEMORY_LIMIT // int(np.prod(shape))
    count = min(MOST_IMAGES, most) if count is None else count
    if count > most:
        raise UserError(f"{count:,} images of {shape} take more than 1 GiB: give {most:,} or less")
    latents = draw_latents(
        count, model.latent_dim, seed=_SEED, distribution=model.latent_distribution
    )
    labels = model.draw_labels(count)
    resized = _resizer(model.image_shape[:2], shape[:2])
    images = np.empty((count, *shape), np.uint8)
    for start in range(0, count, _AT_ONCE):
        progress(f"drawing images with {flavour}", start, count)
        rows = slice(start, start + _AT_ONCE)
        chosen = None if labels is None else labels[rows]
        images[rows] = to_uint8(resized(model.generate(latents[rows], chosen)))
    progress(f"drawing images with {flavour}", count, count)
    teacher = {
        "latent_dim": model.latent_dim,
        "latent_distribution": model.latent_distribution,
        "labels_are_classes": about["labels_are_classes"],
        "truncation_of": model.truncation_of,
        **{name: about[name] for name in ("flavour", "dataset", "step")},
        "command": command_text(runs.RunConfig.read(run_dir)),
    }
    return Taught(images, latents, labels, about["class_names"], teacher)


def check_teacher(model: Any, flavour: str) -> None:
    """Raises a UserError unless a model makes images from latents, and perhaps labels."""
    if not hasattr(model, "draw_latents") or hasattr(model, "captions"):
        raise UserError(
            f"{flavour} takes images or texts: a student learns from a flavour that takes latents"
        )
    if is_points(model.image_shape):
        raise UserError("the run makes points: a student learns from one that makes images")


def _resizer(old: tuple[int, int], new: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that resizes images by antialiased bicubic interpolation."""
    if tuple(old) == tuple(new):
        return lambda images: images
    rows, columns = (resize_matrix(*edges) for edges in zip(old, new, strict=True))
    return lambda images: np.einsum("ih,jw,bhwc->bijc", rows, columns, images).astype(np.float32)
