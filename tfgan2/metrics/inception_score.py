"""The inception score (Salimans et al. 2016)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfgan2.metrics.checks import checked_features, row_blocks

_TOLERANCE = 1e-3
"""How far the sum of a sample's probabilities may be from 1: float16 is not more exact."""


class InceptionScore(NamedTuple):
    """Mean and standard deviation over the splits."""

    mean: float
    std: float


class RunningInceptionScore:
    """The score of samples that come in batches, as one split, in constant memory."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = np.zeros(0)
        self._negentropy = 0.0

    @property
    def count(self) -> int:
        """How many samples were given so far."""
        return self._count

    def update(self, probabilities: np.ndarray) -> None:
        """Takes in a batch.

        Args:
            probabilities: of the classes for each sample, shape (N, K) of any N, and the same K
                each time; each row sums up to 1.

        Raises:
            ValueError: another shape, or not probabilities; nothing is taken in then.
        """
        probabilities = _checked(probabilities)
        if not self._count:
            self._sum = np.zeros(probabilities.shape[1])
        elif probabilities.shape[1] != len(self._sum):
            raise ValueError(
                f"probabilities must be of shape (N, {len(self._sum)}) as before, "
                f"not {probabilities.shape}"
            )
        for block in row_blocks(probabilities):
            block /= block.sum(axis=1, keepdims=True)
            self._sum += block.sum(axis=0)
            self._negentropy += _negentropy(block)
        self._count += len(probabilities)

    def score(self) -> float:
        """exp of the mean KL divergence of the samples' classes to those of all samples.

        Returns:
            From 1, where all samples are alike, to K.

        Raises:
            ValueError: no samples so far.
        """
        if not self._count:
            raise ValueError("the inception score needs at least 1 sample")
        # The mean of the divergences is the mean of sum p log p, less that of the mean of p.
        information = self._negentropy / self._count - _negentropy(self._sum / self._count)
        return float(np.exp(max(information, 0.0)))


def inception_score(probabilities: np.ndarray, *, splits: int = 10) -> InceptionScore:
    """exp(E KL(p(y|x) || p(y))) over consecutive parts of the samples.

    The score depends on the number of samples in a split (Barratt and Sharma 2018), and on their
    order if that follows the classes.

    Args:
        probabilities: of the classes for each sample, shape (N, K); each row sums up to 1. Zeros
            are fine.
        splits: how many parts, as equal as can be; at most N.

    Returns:
        Each score is from 1 to K.

    Raises:
        ValueError: another shape, not probabilities, or fewer samples than splits.
    """
    probabilities = _checked(probabilities)
    count = len(probabilities)
    if not 1 <= splits <= count:
        raise ValueError(f"there must be from 1 to N splits, not {splits} of {count} samples")
    scores = []
    for split in range(splits):
        running = RunningInceptionScore()
        running.update(probabilities[split * count // splits : (split + 1) * count // splits])
        scores.append(running.score())
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _checked(probabilities: np.ndarray) -> np.ndarray:
    probabilities = checked_features(probabilities, "probabilities")
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if (probabilities < 0).any() or (abs(sums - 1) > _TOLERANCE).any():
        raise ValueError("probabilities must be 0 or more, and those of each sample sum up to 1")
    return probabilities


def _negentropy(probabilities: np.ndarray) -> float:
    """The sum of p log p over all values; 0 where p is 0."""
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return float(np.sum(probabilities * logarithms))
