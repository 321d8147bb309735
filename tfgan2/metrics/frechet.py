"""The Fréchet distance of two normal distributions (Dowson and Landau 1982)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfgan2.metrics.checks import checked_features, row_blocks


class Statistics(NamedTuple):
    """Mean and covariance of features, float64, shapes (dim,) and (dim, dim)."""

    mean: np.ndarray
    covariance: np.ndarray


class RunningStatistics:
    """Mean and covariance of features that come in batches, in constant memory.

    It holds a mean and a matrix of shape (dim, dim). Blocks of rows are combined by the update of
    Chan, Golub and LeVeque (1983), which loses no digits where sums of squares would.
    """

    def __init__(self) -> None:
        self._count = 0
        self._origin = self._mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    @property
    def count(self) -> int:
        """How many samples were given so far."""
        return self._count

    def update(self, features: np.ndarray) -> None:
        """Takes in a batch.

        Args:
            features: finite, shape (N, dim), of any N, and the same dim each time.

        Raises:
            ValueError: another shape, or values that are not finite; nothing is taken in then.
        """
        features = checked_features(features)
        if not len(features):
            return
        dim = features.shape[1]
        if not self._count:
            # Everything is relative to the first sample: a mean far from 0 costs no digits, and
            # constant features have a covariance of exactly 0.
            self._origin = features[0].astype(np.float64)
            self._mean, self._scatter = np.zeros(dim), np.zeros((dim, dim))
        elif dim != len(self._mean):
            raise ValueError(
                f"features must be of shape (N, {len(self._mean)}) as before, not {features.shape}"
            )
        for block in row_blocks(features):
            block -= self._origin
            mean = block.mean(axis=0)
            block -= mean
            total = self._count + len(block)
            step = mean - self._mean
            self._scatter += block.T @ block
            self._scatter += np.outer(step, step * (self._count * len(block) / total))
            self._mean += step * (len(block) / total)
            self._count = total

    def statistics(self) -> Statistics:
        """Of all samples so far, as `statistics` gives them at once.

        Raises:
            ValueError: fewer than two samples.
        """
        if self._count < 2:
            raise ValueError(f"a covariance needs at least 2 images, not {self._count}")
        return Statistics(self._origin + self._mean, self._scatter / (self._count - 1))


def statistics(features: np.ndarray) -> Statistics:
    """Mean and covariance of features.

    Args:
        features: finite, shape (N, dim), N >= 2. Fewer samples than dimensions are enough; the
            covariance is singular then.

    Returns:
        Both in float64; the covariance is the unbiased one, divided by N - 1.

    Raises:
        ValueError: another shape, fewer than two samples, or values that are not finite.
    """
    running = RunningStatistics()
    running.update(features)
    return running.statistics()


def frechet_distance(
    mean_1: np.ndarray, cov_1: np.ndarray, mean_2: np.ndarray, cov_2: np.ndarray
) -> float:
    """|mean_1 - mean_2|^2 + tr(cov_1 + cov_2 - 2 (cov_1 cov_2)^(1/2)).

    It is the squared 2-Wasserstein distance of the two normal distributions, what FID takes of
    Inception features (Heusel et al. 2017).

    Args:
        mean_1: of one distribution, shape (dim,).
        cov_1: its covariance, shape (dim, dim), symmetric and positive semidefinite.
        mean_2: of the other.
        cov_2: likewise.

    Returns:
        At least 0; 0 for equal distributions, whose covariance may be singular.

    Raises:
        ValueError: shapes that do not fit, or values that are not finite.
    """
    mean_1, mean_2 = np.asarray(mean_1, np.float64), np.asarray(mean_2, np.float64)
    cov_1, cov_2 = np.asarray(cov_1, np.float64), np.asarray(cov_2, np.float64)
    dim = mean_1.shape[0] if mean_1.ndim == 1 else -1
    if mean_2.shape != (dim,) or cov_1.shape != (dim, dim) or cov_2.shape != (dim, dim):
        raise ValueError(
            "means must be of shape (dim,) and covariances of shape (dim, dim), not "
            f"{mean_1.shape}, {cov_1.shape}, {mean_2.shape}, {cov_2.shape}"
        )
    if not all(np.isfinite(item).all() for item in (mean_1, cov_1, mean_2, cov_2)):
        raise ValueError("means and covariances must be finite")
    # With cov_i = A_i A_i^T the trace of the root is the sum of the singular values of A_1^T A_2.
    # The root of the product itself, as sqrtm takes it, loses half of the digits where a
    # covariance is singular, and may come out complex.
    root = np.linalg.svd(_factor(cov_1).T @ _factor(cov_2), compute_uv=False).sum()
    spread = float(np.trace(cov_1) + np.trace(cov_2))
    difference = mean_1 - mean_2
    distance = float(difference @ difference) + spread - 2.0 * float(root)
    # What is left of equal distributions is rounding.
    resolution = 4 * dim * np.finfo(np.float64).eps * (spread + float(mean_1 @ mean_1))
    return distance if distance > resolution else 0.0


def _factor(covariance: np.ndarray) -> np.ndarray:
    """A with A A^T = covariance; eigenvalues below 0 are rounding."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))
