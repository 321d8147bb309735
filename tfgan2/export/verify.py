"""Compares a file with Keras and times it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfgan2.export.errors import ExportError
from tfgan2.images import is_points, to_uint8
from tfgan2.metrics import psnr
from tfgan2.runtime.backends import Backend

FLOAT32_TOLERANCE = 1e-4
UINT8_TOLERANCE = 2.01 / 255
"""One step of 0…255: a value between two steps may be rounded to either."""
LEAST_PSNR = 25.0
"""Decibels. Below that the difference is plain to see, and a file is refused by default."""


@dataclass(frozen=True)
class Comparison:
    """Differences between a file's output and that of Keras; see `Artifact`."""

    max_difference: float
    mean_difference: float
    picture_difference: float
    psnr: float


def compare(
    outputs: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    *,
    name: str,
    tolerance: float | None,
) -> Comparison:
    """Compares the output of a file with that of Keras.

    Args:
        outputs: of each case, float32: images of shape (N, H, W, C), or vectors of shape (N, dim).
        references: the same from Keras.
        name: name of the file, for errors.
        tolerance: largest absolute difference allowed; None only measures.

    Raises:
        ExportError: values are not finite, have another shape, or differ by more than the
            tolerance.
    """
    noun = "images" if outputs[0].ndim == 4 else "values"
    if not all(np.isfinite(values).all() for values in outputs):
        raise ExportError(f"{name} was not kept: its {noun} are not finite")
    for values, reference in zip(outputs, references, strict=True):
        if values.shape != reference.shape:  # might still be subtracted from each other
            raise ExportError(
                f"{name} was not kept: its {noun} are of shape {values.shape}, those of Keras of "
                f"{reference.shape}"
            )
    values = np.concatenate([item.ravel() for item in outputs])
    expected = np.concatenate([item.ravel() for item in references])
    differences = np.abs(values.astype(np.float64) - expected)
    largest, mean = float(differences.max()), float(differences.mean())
    if tolerance is not None and largest > tolerance:
        raise ExportError(
            f"{name} was not kept: its {noun} differ from those of Keras by {largest:.2g}, "
            f"more than {tolerance:.0e}"
        )
    if noun == "values" or is_points(outputs[0].shape):  # to_uint8 would clip them
        peak = float(np.ptp(expected)) or 1.0
        return Comparison(largest, mean, 0.0, psnr(values, expected, peak))
    levels, expected_levels = to_uint8(values), to_uint8(expected)
    steps = float(np.abs(levels.astype(np.int16) - expected_levels).mean())
    return Comparison(largest, mean, steps, psnr(levels, expected_levels, 255.0))


def check_quality(decibels: float, *, name: str, precision: str) -> None:
    """Raises an ExportError if a signal-to-noise ratio is below `LEAST_PSNR`."""
    if decibels < LEAST_PSNR:
        advice = "--precision mixed keeps the worst layers in float, " * (precision == "int8")
        raise ExportError(
            f"{name} was not kept: its images are {decibels:.1f} dB from those of Keras, less than "
            f"{LEAST_PSNR:g}: {advice}--allow-lossy keeps it as it is"
        )


def milliseconds_per_image(
    backend: Backend, inputs: Mapping[str, np.ndarray], batch: int | None, *, budget: float = 1.0
) -> float:
    """Returns the median time for an image, after 3 calls to warm up.

    Args:
        backend: the file.
        inputs: some inputs by name.
        batch: fixed batch size of the file; None times single images.
        budget: seconds to spend at most, roughly.
    """
    count = batch or 1
    feed = {name: np.resize(array, (count, *array.shape[1:])) for name, array in inputs.items()}
    end = time.perf_counter() + budget
    seconds: list[float] = []
    for call in range(33):
        start = time.perf_counter()
        backend(feed)
        if call >= 3:
            seconds.append(time.perf_counter() - start)
        if len(seconds) >= 3 and time.perf_counter() > end:
            break
    return statistics.median(seconds) * 1000 / count
