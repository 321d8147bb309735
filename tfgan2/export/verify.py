"""Compares a file with Keras, value by value and by the Fréchet distance, and times it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfgan2.export.graph import expected, keras_model
from tfgan2.export.spec import ExportError, ExportSpec, draw_inputs
from tfgan2.images import is_points, to_uint8
from tfgan2.metrics import RANDOM_CONVOLUTIONS, frechet_distance, psnr, random_convolutions
from tfgan2.metrics import statistics as feature_statistics
from tfgan2.runtime.backends import Inputs, Model

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


def allowed_difference(spec: ExportSpec, precision: str) -> float | None:
    """Returns the largest difference that a file may have; None: any."""
    if precision != "float32":
        return None
    return UINT8_TOLERANCE if spec.uint8 else FLOAT32_TOLERANCE


def compare(
    outputs: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    name: str,
    tolerance: float | None,
) -> dict[str, Any]:
    """Compares the outputs of a file, float32, with those of Keras; one array for each case.

    Returns:
        The differences by their names in `Artifact`.

    Raises:
        ExportError: values are not finite, have another shape, or differ by more than the
            tolerance; None allows any difference.
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
    largest = float(differences.max())
    if tolerance is not None and largest > tolerance:
        raise ExportError(
            f"{name} was not kept: its {noun} differ from those of Keras by {largest:.2g}, "
            f"more than {tolerance:.0e}"
        )
    steps, peak = 0.0, 255.0
    if noun == "values" or is_points(outputs[0].shape):  # to_uint8 would clip them
        peak = float(np.ptp(expected)) or 1.0
    else:
        values, expected = to_uint8(values), to_uint8(expected)
        steps = float(np.abs(values.astype(np.int16) - expected).mean())
    return {
        "max_difference": largest,
        "mean_difference": float(differences.mean()),
        "picture_difference": steps,
        "psnr": psnr(values, expected, peak),
    }


def check_quality(decibels: float, name: str, precision: str) -> None:
    """Raises an ExportError if a signal-to-noise ratio is below `LEAST_PSNR`."""
    if decibels < LEAST_PSNR:
        advice = "--precision mixed keeps the worst layers in float, " * (precision == "int8")
        raise ExportError(
            f"{name} was not kept: its images are {decibels:.1f} dB from those of Keras, less than "
            f"{LEAST_PSNR:g}: {advice}--allow-lossy keeps it as it is"
        )


def milliseconds_per_image(model: Model, inputs: Inputs) -> float:
    """Returns the median time for an image within about a second; a free batch times one image."""
    count = model.metadata["batch"] or 1
    feed = {name: np.resize(array, (count, *array.shape[1:])) for name, array in inputs.items()}
    for _ in range(3):  # to warm up
        model.backend(feed)
    seconds: list[float] = []
    while len(seconds) < 3 or (len(seconds) < 30 and sum(seconds) < 1):
        start = time.perf_counter()
        model.backend(feed)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * 1000 / count


def default_count(spec: ExportSpec) -> int:
    """Returns the number of images to compare: 2,000, or 200 of a network that takes images.

    Of images larger than 64x64x3, as many as have the same number of values, at least 16.
    """
    *edges, channels = spec.network.outputs[0].shape[1:]
    most = MOST_IMAGES[spec.kind]
    if spec.kind == "images":
        edges = [edge * spec.facts.get("scale", 1) for edge in spec.facts["size"]]
    values = int(np.prod([*edges, channels]))
    return int(np.clip(most * _VALUES_PER_IMAGE // values, 16, most))


class Fidelity:
    """Compares files with Keras on the same inputs; `count` of None means `default_count`."""

    def __init__(self, spec: ExportSpec, count: int | None, seed: int) -> None:
        self._inputs = draw_inputs(spec, count or default_count(spec), seed, verify=True)
        output = keras_model(spec)(self._inputs)
        as_values = output.ndim == 2 or is_points(output.shape)
        self.features = VALUES if as_values else RANDOM_CONVOLUTIONS
        self._reference = self._statistics(expected(spec, output))

    def measure(self, model: Model | Callable[[Inputs], np.ndarray]) -> dict[str, Any]:
        """Returns the distance of a file's images, as the metadata has it."""
        output = model(self._inputs)
        distance = frechet_distance(*self._statistics(output), *self._reference)
        return {"distance": distance, "features": self.features, "images": len(output)}

    def _statistics(self, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.features == VALUES:
            return feature_statistics(output.reshape(len(output), -1))
        return feature_statistics(random_convolutions(output))
