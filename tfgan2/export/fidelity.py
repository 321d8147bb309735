"""How far a file's images are from those of Keras as a whole: the Fréchet distance."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfgan2.export.subject import Subject
from tfgan2.images import is_points
from tfgan2.metrics import (
    RANDOM_CONVOLUTIONS,
    frechet_distance,
    random_convolutions,
    statistics,
)
from tfgan2.runtime.backends import Backend, in_batches

IMAGES = 2000
VALUES = "values"
"""The space of what is no picture: points and sentences as they are."""

_MOST_VALUES = IMAGES * 64 * 64 * 3
_MOST_TRANSLATED = 200
_MOST_TRANSLATED_VALUES = _MOST_TRANSLATED * 64 * 64 * 3


def default_count(subject: Subject) -> int:
    """How many images are taken: 2,000, fewer where they are large.

    Of generators of latents as many as hold the values of 2,000 images of 64x64x3; networks that
    take images compute far longer for each, so of these at most 200, and as many as hold the values
    of 200 of 64x64x3. At least 16.
    """
    values = int(np.prod([size or 64 for size in subject.generator.outputs[0].shape[1:]]))
    if "input" in subject.input_names:
        scale = subject.facts.get("scale", 1)
        height, width = subject.facts["size"]
        values = height * width * scale**2 * subject.generator.outputs[0].shape[-1]
        return int(np.clip(_MOST_TRANSLATED_VALUES // values, 16, _MOST_TRANSLATED))
    return int(np.clip(_MOST_VALUES // values, 16, IMAGES))


class Fidelity:
    """Measures files against what Keras makes of the same inputs.

    Args:
        subject: the network.
        count: how many images; None: `default_count`.
        seed: of the inputs.
    """

    def __init__(self, subject: Subject, count: int | None, seed: int) -> None:
        self._subject = subject
        self._inputs = subject.draw(count or default_count(subject), seed, verify=True)
        made = in_batches(subject.run, self._inputs, subject.output, None)
        self.features = VALUES if made.ndim == 2 or is_points(made.shape) else RANDOM_CONVOLUTIONS
        self._reference = statistics(self._features(subject.expected(made)))

    def measure(self, backend: Backend, batch: int | None) -> dict[str, Any]:
        """The distance of a file's images, as the metadata holds it.

        Args:
            backend: runs the file.
            batch: how many it makes at once, None where that is free.
        """
        made = in_batches(backend, self._inputs, self._subject.output, batch)
        found = statistics(self._features(made))
        return {
            "distance": frechet_distance(*found, *self._reference),
            "features": self.features,
            "images": len(made),
        }

    def _features(self, made: np.ndarray) -> np.ndarray:
        if self.features == VALUES:
            return made.reshape(len(made), -1)
        return random_convolutions(made)
