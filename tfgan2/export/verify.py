"""Does a file do what Keras does, and how fast?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfgan2.export import ExportError
from tfgan2.images import is_points, to_uint8
from tfgan2.metrics import psnr
from tfgan2.runtime.backends import Backend

FLOAT32_TOLERANCE = 1e-4
ONE_STEP = 2.01 / 255
"""Of pictures that the file rounds: a value at the border of two steps may fall to either."""
LEAST_PSNR = 25.0
"""Decibels. Below that anyone sees the difference, and a file is not kept unasked."""
LATENTS = 64


@dataclass(frozen=True)
class Comparison:
    """How far images are from those of Keras; see `Artifact`."""

    max_difference: float
    mean_difference: float
    picture_difference: float
    psnr: float


def compare(
    made: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    *,
    name: str,
    tolerance: float | None,
) -> Comparison:
    """Compares what a file makes with what Keras does.

    Args:
        made: float32, images of shape (N, H, W, C) or sentences of shape (N, dim), of each case.
        references: the same of Keras.
        name: the file, named in errors.
        tolerance: the largest absolute difference allowed; None only measures.

    Raises:
        ExportError: values that are not finite, of another shape, or that differ by more than the
            tolerance.
    """
    what = "images" if made[0].ndim == 4 else "values"
    if not all(np.isfinite(values).all() for values in made):
        raise ExportError(f"{name} was not kept: it makes {what} that are not finite")
    for values, reference in zip(made, references, strict=True):
        if values.shape != reference.shape:  # might still be subtracted from each other
            raise ExportError(
                f"{name} was not kept: its {what} are of shape {values.shape}, those of Keras of "
                f"{reference.shape}"
            )
    differences = np.concatenate(
        [
            np.abs(values.astype(np.float64) - reference).ravel()
            for values, reference in zip(made, references, strict=True)
        ]
    )
    largest = float(differences.max())
    if tolerance is not None and largest > tolerance:
        raise ExportError(
            f"{name} was not kept: its {what} differ from those of Keras by {largest:.2g}, "
            f"more than {tolerance:.0e}"
        )
    mean = float(differences.mean())
    values = np.concatenate([item.ravel() for item in made])
    expected = np.concatenate([item.ravel() for item in references])
    if what == "values" or is_points(made[0].shape):  # no pictures, and to_uint8 would clip them
        peak = float(np.ptp(expected)) or 1.0
        return Comparison(largest, mean, 0.0, psnr(values, expected, peak))
    pictures, wanted = to_uint8(values), to_uint8(expected)
    steps = float(np.abs(pictures.astype(np.int16) - wanted).mean())
    return Comparison(largest, mean, steps, psnr(pictures, wanted, 255.0))


def check_quality(found: float, *, name: str, precision: str) -> None:
    """Raises an ExportError if a signal-to-noise ratio is below `LEAST_PSNR`."""
    if found < LEAST_PSNR:
        advice = "--precision mixed keeps the layers that suffer in float, " * (precision == "int8")
        raise ExportError(
            f"{name} was not kept: its images are {found:.1f} dB from those of Keras, less than "
            f"{LEAST_PSNR:g}: {advice}--allow-lossy keeps it as it is"
        )


def milliseconds_per_image(
    backend: Backend, inputs: Mapping[str, np.ndarray], batch: int | None, *, budget: float = 1.0
) -> float:
    """The median time for an image, after a warm-up.

    Args:
        backend: is asked for a batch at once, or for one image where that is free.
        inputs: some, by name.
        batch: how many it makes at once, None where that is free.
        budget: about how many seconds to spend at most.
    """
    count = batch or 1
    fed = {name: np.resize(array, (count, *array.shape[1:])) for name, array in inputs.items()}
    end = time.perf_counter() + budget
    seconds = []
    for run in range(33):
        start = time.perf_counter()
        backend(fed)
        if run >= 3:
            seconds.append(time.perf_counter() - start)
        if len(seconds) >= 3 and time.perf_counter() > end:
            break
    return statistics.median(seconds) * 1000 / count
