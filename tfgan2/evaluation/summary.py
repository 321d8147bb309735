"""What figures need to know of a set of images, in constant memory however many there are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfgan2.evaluation.extractor import Extracted
from tfgan2.metrics import RunningInceptionScore, RunningStatistics, Statistics

BANK = 10_000
"""Features that are kept as they are, for figures that compare each with each."""
SPLITS = 10
"""Parts of the samples that have an inception score each."""


class Summary:
    """Statistics of features, the first of them as they are, and what a classifier saw.

    Attributes:
        bank: the first features, float32, shape (N, dim), N up to `BANK`.
        classes: how many images were seen as each class, int64, shape (classes,); None where the
            features tell no classes.
    """

    bank: np.ndarray
    classes: np.ndarray | None

    def __init__(self, count: int) -> None:
        """
        Args:
            count: how many images there will be.
        """
        splits = min(SPLITS, count)
        self._ends = [(split + 1) * count // splits for split in range(splits)]
        self._running = RunningStatistics()
        self._scores = [RunningInceptionScore() for _ in self._ends]
        self._done = 0
        self._known: dict[str, np.ndarray] = {}
        self.bank = np.zeros((0, 0), np.float32)
        self.classes = None

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Summary:
        """What `arrays` of another gave."""
        made = cls(1)
        made._known = dict(arrays)
        made.bank = arrays["bank"]
        made.classes = arrays.get("classes")
        return made

    def update(self, extracted: Extracted) -> None:
        """Takes in what was found in the next images."""
        features, probabilities = extracted
        self._running.update(features)
        if not len(self.bank):
            self.bank = np.zeros((0, features.shape[1]), np.float32)
        if len(self.bank) < BANK:
            self.bank = np.concatenate([self.bank, features[: BANK - len(self.bank)]])
        if probabilities is not None:
            seen = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])
            self.classes = seen if self.classes is None else self.classes + seen
            self._score(probabilities)
        self._done += len(features)

    def _score(self, probabilities: np.ndarray) -> None:
        start = self._done
        begin = 0
        for end, score in zip(self._ends, self._scores, strict=True):
            part = probabilities[max(0, begin - start) : max(0, end - start)]
            if len(part):
                score.update(part)
            begin = end

    def statistics(self) -> Statistics:
        """Mean and covariance of the features."""
        if self._known:
            return Statistics(self._known["mean"], self._known["covariance"])
        return self._running.statistics()

    def inception_scores(self) -> np.ndarray:
        """The inception score of each split, float64; empty where the features tell no classes."""
        if self._known:
            return self._known["inception_scores"]
        if self.classes is None:
            return np.zeros(0)
        return np.array([score.score() for score in self._scores])

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything, to be kept."""
        mean, covariance = self.statistics()
        kept = {
            "mean": mean,
            "covariance": covariance,
            "bank": self.bank,
            "inception_scores": self.inception_scores(),
        }
        return kept if self.classes is None else {**kept, "classes": self.classes}
