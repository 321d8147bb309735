"""From images of one size to features and probabilities of classes, and their statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tfgan2.metrics import RunningInceptionScore, RunningStatistics

BANK_SIZE = 10_000
"""Features that are kept, for metrics that compare all pairs."""
SPLITS = 10
"""Parts of the samples, each with an inception score."""


class Extracted(NamedTuple):
    """Features, shape (N, dim), and class probabilities, (N, K), of images; float32."""

    features: np.ndarray
    probabilities: np.ndarray | None = None


@dataclass
class Extractor:
    """Computes features of any number of images, `batch_size` at a time.

    The last batch is filled with black images. So nothing is compiled for a second shape, memory
    does not grow with the number of images, and the features of an image do not depend on the
    others.

    `compute` takes uint8 images, shape (batch_size, *image_shape), and returns features, shape
    (batch_size, dim), and class probabilities, or None. `class_names` are the dataset's, in the
    order of the probabilities, or () for other classes. `protocol` is JSON that distinguishes these
    features from others. `is_slow` if features of all real images take minutes.
    """

    name: str
    protocol: dict[str, Any]
    image_shape: tuple[int, int, int]
    dim: int
    batch_size: int
    compute: Callable[[np.ndarray], tuple[Any, Any]]
    has_classes: bool = False
    class_names: tuple[str, ...] = ()
    is_slow: bool = False

    def __call__(
        self, images: np.ndarray, advance: Callable[[int], None] = lambda images: None
    ) -> Extracted:
        """Extracts features from uint8 images, shape (N, H, W, C), N > 0; else a ValueError.

        `advance` is called with the number of images after each batch.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            raise ValueError(
                f"images must be uint8 of shape (N, {', '.join(map(str, self.image_shape))}), "
                f"not {images.dtype} of {images.shape}"
            )
        batches = []
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            missing = ((0, self.batch_size - len(batch)), (0, 0), (0, 0), (0, 0))
            outputs = self.compute(np.pad(batch, missing))
            parts = [np.asarray(each, np.float32) for each in outputs if each is not None]
            batches.append([part[: len(batch)] for part in parts])
            advance(len(batch))
        return Extracted(*map(np.concatenate, zip(*batches, strict=True)))


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

        These are `mean` and `covariance` of the features; `bank`, the first of them, up to
        `BANK_SIZE`; the `inception_scores` of the splits; and the images predicted as each of the
        `classes`. Without probabilities the scores are empty and `classes` is missing.
        """
        mean, covariance = self._statistics.statistics()
        bank, scores = np.concatenate(self._bank), np.zeros(0)
        arrays = {"mean": mean, "covariance": covariance, "bank": bank, "inception_scores": scores}
        if self._classes is not None:
            arrays |= {"inception_scores": self._scores.scores(), "classes": self._classes}
        return arrays


def means_of_blocks(factor: int) -> str:
    """Describes how images are shrunk."""
    return f"means of {factor}x{factor} pixels" if factor > 1 else "none"
