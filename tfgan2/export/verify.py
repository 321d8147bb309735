"""Does a file do what Keras does, and how fast?"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass

import numpy as np

from tfgan2.export import ExportError
from tfgan2.images import is_points, to_uint8
from tfgan2.runtime import Generator

FLOAT32_TOLERANCE = 1e-4
LATENTS = 64


@dataclass(frozen=True)
class Comparison:
    """How far images are from those of Keras; see `Artifact`."""

    max_difference: float
    mean_difference: float
    picture_difference: float


def compare(
    images: np.ndarray, reference: np.ndarray, *, name: str, tolerance: float | None
) -> Comparison:
    """Compares a file's images with those of Keras.

    Args:
        images: float32, shape (N, H, W, C).
        reference: the same of Keras.
        name: the file, named in errors.
        tolerance: the largest absolute difference allowed; None only measures.

    Raises:
        ExportError: images that are not finite, or differ by more than the tolerance.
    """
    if not np.isfinite(images).all():
        raise ExportError(f"{name} was not kept: it makes images that are not finite")
    difference = np.abs(images.astype(np.float64) - reference)
    largest = float(difference.max())
    if tolerance is not None and largest > tolerance:
        raise ExportError(
            f"{name} was not kept: its images differ from those of Keras by {largest:.2g}, "
            f"more than {tolerance:.0e}"
        )
    if is_points(images.shape):  # no pictures, and to_uint8 would clip them
        return Comparison(largest, float(difference.mean()), 0.0)
    steps = np.abs(to_uint8(images).astype(np.int16) - to_uint8(reference))
    return Comparison(largest, float(difference.mean()), float(steps.mean()))


def milliseconds_per_image(
    generator: Generator, inputs: dict[str, np.ndarray], *, budget: float = 1.0
) -> float:
    """The median time for an image, after a warm-up.

    Args:
        generator: is asked for its batch size at once, or for one image where that is free.
        inputs: latents, and labels for a conditional one; as many as that.
        budget: about how many seconds to spend at most.
    """
    count = generator.batch or 1
    repeats = math.ceil(count / len(inputs["z"]))
    latents = np.concatenate([inputs["z"]] * repeats)[:count]
    labels = np.concatenate([inputs["label"]] * repeats)[:count] if "label" in inputs else None
    end = time.perf_counter() + budget
    seconds = []
    for run in range(33):
        start = time.perf_counter()
        generator(latents, labels)
        if run >= 3:
            seconds.append(time.perf_counter() - start)
        if len(seconds) >= 3 and time.perf_counter() > end:
            break
    return statistics.median(seconds) * 1000 / count
