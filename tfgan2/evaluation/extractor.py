"""From images of one size to features and probabilities of classes, and their statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tfgan2.metrics import RunningInceptionScore, RunningStatistics

BANK_SIZE = 10_000
"""Features that are kept, for metrics that compare all pairs."""
SPLITS = 10
"""Parts of the samples, each with an inception score."""


class Extracted(NamedTuple):
    """Features, float32, shape (N, dim), and class probabilities of N images.

    The probabilities are float32, shape (N, num_classes), or None if there are no classes.
    """

    features: np.ndarray
    probabilities: np.ndarray | None


@dataclass
class Extractor:
    """Computes features of any number of images, `batch_size` at a time.

    The last batch is filled with black images. So nothing is compiled for a second shape, memory
    does not grow with the number of images, and the features of an image do not depend on the
    others.

    Attributes:
        name: one of `FEATURES`.
        dim: of the features.
        protocol: what distinguishes these features from others; JSON.
        image_shape: (height, width, channels) of the images.
        batch_size: images per call of `compute`.
        compute: from uint8 images, shape (batch_size, *image_shape), to their features and
            probabilities (or None).
        num_classes: 0 if there are no probabilities.
        class_names: the dataset's, in the order of the probabilities; () if the classes are not
            those of the dataset.
    """

    name: str
    dim: int
    protocol: dict[str, Any]
    image_shape: tuple[int, int, int]
    batch_size: int
    compute: Callable[[np.ndarray], tuple[Any, Any]]
    num_classes: int = 0
    class_names: tuple[str, ...] = ()

    def __call__(self, images: np.ndarray) -> Extracted:
        """Extracts features from uint8 images, shape (N, H, W, C).

        Raises:
            ValueError: images of another shape or type.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            raise ValueError(
                f"images must be uint8 of shape (N, {', '.join(map(str, self.image_shape))}), "
                f"not {images.dtype} of {images.shape}"
            )
        features = np.empty((len(images), self.dim), np.float32)
        probabilities = np.empty((len(images), self.num_classes), np.float32)
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            count, end = len(batch), start + len(batch)
            missing = ((0, self.batch_size - count), (0, 0), (0, 0), (0, 0))
            batch_features, batch_probabilities = self.compute(np.pad(batch, missing))
            features[start:end] = np.asarray(batch_features)[:count]
            if self.num_classes:
                probabilities[start:end] = np.asarray(batch_probabilities)[:count]
        return Extracted(features, probabilities if self.num_classes else None)


class FeatureSummary:
    """What the metrics need of the features of images; memory does not grow with their number."""

    def __init__(self, count: int) -> None:
        self._statistics = RunningStatistics()
        self._scores = RunningInceptionScore(count, min(SPLITS, count))
        self._bank: list[np.ndarray] = []
        self._classes: np.ndarray | None = None

    def update(self, extracted: Extracted) -> None:
        """Adds a batch."""
        features, probabilities = extracted
        missing = BANK_SIZE - self._statistics.count
        if missing > 0:
            self._bank.append(features[:missing])
        self._statistics.update(features)
        if probabilities is not None:
            counts = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])
            self._classes = counts if self._classes is None else self._classes + counts
            self._scores.update(probabilities)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the summary of all images.

        Returns:
            `mean` and `covariance` of the features; `bank`: the first features, float32, shape (N,
            dim), N up to `BANK_SIZE`; `inception_scores` of the splits, empty without classes; and
            with classes `classes`: the images predicted as each, int64.
        """
        mean, covariance = self._statistics.statistics()
        bank = np.concatenate(self._bank)
        arrays = {"mean": mean, "covariance": covariance, "bank": bank}
        if self._classes is None:
            return {**arrays, "inception_scores": np.zeros(0)}
        return {**arrays, "inception_scores": self._scores.scores(), "classes": self._classes}


def weights_hash(weights: Iterable[np.ndarray]) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of arrays, their shapes and types."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
