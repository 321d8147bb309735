"""Compares a file with Keras, value by value and by the Fréchet distance, and times it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfgan2.export.examples import draw_inputs
from tfgan2.export.graph import expected, keras_backend
from tfgan2.export.spec import ExportError, ExportSpec
from tfgan2.images import is_points, to_uint8
from tfgan2.metrics import RANDOM_CONVOLUTIONS, frechet_distance, psnr, random_convolutions
from tfgan2.metrics import statistics as feature_statistics
from tfgan2.runtime.backends import Backend, in_batches

FLOAT32_TOLERANCE = 1e-4
UINT8_TOLERANCE = 2.01 / 255
"""One step of 0…255: a value between two steps may be rounded to either."""
LEAST_PSNR = 25.0
"""Decibels. Below that the difference is plain to see, and a file is refused by default."""

VALUES = "values"
"""The feature space of points and sentences: the values themselves."""
MOST_IMAGES = {"latents": 2000, "images": 200}
"""A network that takes images computes far longer for each."""

_VALUES_PER_IMAGE = 64 * 64 * 3


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
    """Compares the outputs of a file, float32, with those of Keras; one array for each case.

    A tolerance of None only measures.

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
        budget: seconds to spend, roughly.
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


def default_count(spec: ExportSpec) -> int:
    """Returns the number of images to compare: 2,000, or 200 of a network that takes images.

    Of images larger than 64x64x3, as many as have the same number of values, at least 16.
    """
    *edges, channels = spec.network.outputs[0].shape[1:]
    most = MOST_IMAGES["latents"]
    if spec.takes_images:
        most = MOST_IMAGES["images"]
        edges = [edge * spec.facts.get("scale", 1) for edge in spec.facts["size"]]
    values = int(np.prod([*edges, channels]))
    return int(np.clip(most * _VALUES_PER_IMAGE // values, 16, most))


class Fidelity:
    """Compares files with Keras on the same inputs; `count` of None means `default_count`."""

    def __init__(self, spec: ExportSpec, count: int | None, seed: int) -> None:
        self._output_name = spec.output_name
        self._inputs = draw_inputs(spec, count or default_count(spec), seed, verify=True)
        output = in_batches(
            lambda inputs: keras_backend(spec, inputs), self._inputs, spec.output_name, None
        )
        as_values = output.ndim == 2 or is_points(output.shape)
        self.features = VALUES if as_values else RANDOM_CONVOLUTIONS
        self._reference = feature_statistics(self._features(expected(spec, output)))

    def measure(self, backend: Backend, batch: int | None) -> dict[str, Any]:
        """Returns the distance of a file's images, as the metadata has it."""
        output = in_batches(backend, self._inputs, self._output_name, batch)
        distance = frechet_distance(*feature_statistics(self._features(output)), *self._reference)
        return {"distance": distance, "features": self.features, "images": len(output)}

    def _features(self, output: np.ndarray) -> np.ndarray:
        if self.features == VALUES:
            return output.reshape(len(output), -1)
        return random_convolutions(output)
