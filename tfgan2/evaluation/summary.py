"""Statistics of the features of images, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfgan2.evaluation.extractor import Extracted
from tfgan2.metrics import RunningInceptionScore, RunningStatistics, Statistics

BANK_SIZE = 10_000
"""Features that are kept, for metrics that compare all pairs."""
SPLITS = 10
"""Parts of the samples, each with an inception score."""


class FeatureSummary:
    """Statistics of features, the first features themselves, and the predicted classes.

    Attributes:
        bank: the first features, float32, shape (N, dim), N up to `BANK_SIZE`.
        classes: images predicted as each class, int64, shape (classes,), or None if the features
            have no classes.
    """

    bank: np.ndarray
    classes: np.ndarray | None

    def __init__(self, count: int) -> None:
        """
        Args:
            count: number of images that will be added.
        """
        self._running = RunningStatistics()
        self._scores = RunningInceptionScore(count, min(SPLITS, count))
        self._loaded: dict[str, np.ndarray] = {}
        self.bank = np.zeros((0, 0), np.float32)
        self.classes = None

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> FeatureSummary:
        """Restores a summary from its `arrays`."""
        summary = cls(1)
        summary._loaded = dict(arrays)
        summary.bank = arrays["bank"]
        summary.classes = arrays.get("classes")
        return summary

    def update(self, extracted: Extracted) -> None:
        """Adds a batch."""
        features, probabilities = extracted
        self._running.update(features)
        if not len(self.bank):
            self.bank = np.zeros((0, features.shape[1]), np.float32)
        if len(self.bank) < BANK_SIZE:
            self.bank = np.concatenate([self.bank, features[: BANK_SIZE - len(self.bank)]])
        if probabilities is not None:
            counts = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])
            self.classes = counts if self.classes is None else self.classes + counts
            self._scores.update(probabilities)

    def statistics(self) -> Statistics:
        """Returns mean and covariance of the features."""
        if self._loaded:
            return Statistics(self._loaded["mean"], self._loaded["covariance"])
        return self._running.statistics()

    def inception_scores(self) -> np.ndarray:
        """Returns the inception score of each split, float64; empty without classes."""
        if self._loaded:
            return self._loaded["inception_scores"]
        return np.zeros(0) if self.classes is None else self._scores.scores()

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns everything, for a cache."""
        mean, covariance = self.statistics()
        arrays = {
            "mean": mean,
            "covariance": covariance,
            "bank": self.bank,
            "inception_scores": self.inception_scores(),
        }
        return arrays if self.classes is None else {**arrays, "classes": self.classes}
