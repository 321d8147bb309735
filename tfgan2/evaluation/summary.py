"""Statistics of the features of images, in memory that does not grow with their number."""

from __future__ import annotations

import numpy as np

from tfgan2.evaluation.extractor import Extracted
from tfgan2.metrics import RunningInceptionScore, RunningStatistics

BANK_SIZE = 10_000
"""Features that are kept, for metrics that compare all pairs."""
SPLITS = 10
"""Parts of the samples, each with an inception score."""


class FeatureSummary:
    """Collects what the metrics need of a given number of images."""

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
