"""Measures of predicted classes: inception score and modes found."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

_TOLERANCE = 1e-3  # of the sum of a sample's probabilities; float16 is not more exact


class RunningInceptionScore:
    """Inception scores (Salimans et al. 2016, arXiv:1606.03498) of consecutive parts of samples.

    The samples come in batches; memory is constant. Usually the mean of the scores is reported.
    They depend on the number of samples in a part (Barratt and Sharma 2018), and on the order of
    the samples if that follows the classes.
    """

    def __init__(self, count: int, splits: int = 10) -> None:
        """Takes `count` samples in as many parts as `splits`, from 1 to `count`; else a ValueError.

        The parts are as equal as possible.
        """
        if not 1 <= splits <= count:
            raise ValueError(f"the number of splits must be from 1 to {count}, not {splits}")
        self._bounds = [split * count // splits for split in range(splits + 1)]
        self._done = 0
        self._sums = np.zeros((splits, 0))
        self._negentropies = np.zeros(splits)

    def update(self, probabilities: np.ndarray) -> None:
        """Adds a batch of class probabilities, shape (N, K), with any N and the same K each time.

        Each row sums to 1; zeros are allowed.

        Raises a ValueError for another shape, more samples than announced, or values that are not
        probabilities; then adds nothing.
        """
        from sklearn.utils import check_array

        probabilities = check_array(probabilities, ensure_min_samples=0)
        sums = probabilities.sum(axis=1, dtype=np.float64)
        if (probabilities < 0).any() or (abs(sums - 1) > _TOLERANCE).any():
            raise ValueError("probabilities must not be negative, and each row must sum to 1")
        count, classes = probabilities.shape
        if not self._done:
            self._sums = np.zeros((len(self._sums), classes))
        if classes != self._sums.shape[1] or self._done + count > self._bounds[-1]:
            raise ValueError(
                f"probabilities must be of shape (N, {self._sums.shape[1]}) as before, with at "
                f"most {self._bounds[-1] - self._done} rows, not {probabilities.shape}"
            )
        for split, bounds in enumerate(pairwise(self._bounds)):
            start, end = (max(0, bound - self._done) for bound in bounds)
            part = probabilities[start:end].astype(np.float64)
            part /= part.sum(axis=1, keepdims=True)
            self._sums[split] += part.sum(axis=0)
            self._negentropies[split] += _negentropy(part)
        self._done += count

    def scores(self) -> np.ndarray:
        """Returns exp(mean KL divergence of p(y|x) from p(y)) of each split, from 1 to K, float64.

        Raises a ValueError for fewer samples so far than announced.
        """
        if self._done < self._bounds[-1]:
            raise ValueError(f"only {self._done} of {self._bounds[-1]} samples were given")
        counts = np.diff(self._bounds)
        # The mean divergence is the mean of sum p log p, minus that of the mean of p.
        of_means = [_negentropy(p / n) for p, n in zip(self._sums, counts, strict=True)]
        return np.exp(np.maximum(self._negentropies / counts - of_means, 0.0))


def _negentropy(probabilities: np.ndarray) -> float:
    """Sum of p log p over all values; 0 where p is 0."""
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return float(np.sum(probabilities * logarithms))


def modes_found(counts: np.ndarray) -> tuple[int, float]:
    """Counts modes and measures how uniform they are, as Lin et al. 2018 (PacGAN) do.

    They use 26,000 samples of stacked MNIST. Both figures depend on the number of samples: even N
    uniform samples have a divergence of about (modes - 1) / 2N.

    Takes the samples of each mode, integers, shape (modes,), at least one in all. Returns the
    number of modes with at least one sample, and the KL divergence of the samples' distribution
    over the modes from the uniform one, in nats: from 0 to the logarithm of the number of modes.

    Raises:
        ValueError: another shape, counts that are no whole numbers or negative, or no samples.
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError(
            "counts must be whole numbers from 0, shape (modes,): count labels by "
            "np.bincount(labels, minlength=modes)"
        )
    if not counts.any():
        raise ValueError("at least 1 sample is needed")
    shares = counts[counts > 0] / counts.sum()
    # Rounding can push the divergence of equal shares below 0.
    return len(shares), max(0.0, float(np.sum(shares * np.log(shares * len(counts)))))
