"""The Fréchet distance between the images of a file and those of Keras."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfgan2.export.examples import draw_inputs
from tfgan2.export.graph import expected, keras_backend
from tfgan2.export.spec import ExportSpec
from tfgan2.images import is_points
from tfgan2.metrics import (
    RANDOM_CONVOLUTIONS,
    frechet_distance,
    random_convolutions,
    statistics,
)
from tfgan2.runtime.backends import Backend, in_batches

VALUES = "values"
"""The feature space of points and sentences: the values themselves."""
MOST_IMAGES = {"latents": 2000, "images": 200}
"""A network that takes images computes far longer for each."""

_VALUES_PER_IMAGE = 64 * 64 * 3


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
    """Compares files with Keras on the same inputs.

    Args:
        spec: the network.
        count: number of images; None: `default_count`.
        seed: seed of the inputs.
    """

    def __init__(self, spec: ExportSpec, count: int | None, seed: int) -> None:
        self._output_name = spec.output_name
        self._inputs = draw_inputs(spec, count or default_count(spec), seed, verify=True)
        output = in_batches(
            lambda inputs: keras_backend(spec, inputs), self._inputs, spec.output_name, None
        )
        as_values = output.ndim == 2 or is_points(output.shape)
        self.features = VALUES if as_values else RANDOM_CONVOLUTIONS
        self._reference = statistics(self._features(expected(spec, output)))

    def measure(self, backend: Backend, batch: int | None) -> dict[str, Any]:
        """Returns the distance of a file's images, as the metadata has it.

        Args:
            backend: the file.
            batch: its fixed batch size, or None.
        """
        output = in_batches(backend, self._inputs, self._output_name, batch)
        distance = frechet_distance(*statistics(self._features(output)), *self._reference)
        return {"distance": distance, "features": self.features, "images": len(output)}

    def _features(self, output: np.ndarray) -> np.ndarray:
        if self.features == VALUES:
            return output.reshape(len(output), -1)
        return random_convolutions(output)
