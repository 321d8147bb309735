"""Distances between the distributions of features: Fréchet distance and kernel distance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_ROWS = 1024

Statistics = tuple[np.ndarray, np.ndarray]
"""Mean and covariance of features, float64, shapes (dim,) and (dim, dim)."""


class RunningStatistics:
    """Mean and covariance of features that come in batches, in constant memory.

    Blocks of rows are combined by the update of Chan, Golub and LeVeque (1983), which keeps the
    digits that sums of squares lose.

    Attributes:
        count: samples so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._origin = self._mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    def update(self, features: np.ndarray) -> None:
        """Adds a batch of finite features, shape (N, dim), with any N and the same dim each time.

        Raises a ValueError for another shape or values that are not finite; then adds nothing.
        """
        from sklearn.utils import check_array

        features = check_array(features, ensure_min_samples=0)
        count, dim = features.shape
        if not self.count and count:
            # Relative to the first sample, a mean far from 0 costs no digits, and constant features
            # have a covariance of exactly 0.
            self._origin = features[0].astype(np.float64)
            self._mean, self._scatter = np.zeros(dim), np.zeros((dim, dim))
        elif count and dim != len(self._mean):
            raise ValueError(
                f"features must be of shape (N, {len(self._mean)}) as before, not {features.shape}"
            )
        for start in range(0, count, _ROWS):
            block = features[start : start + _ROWS].astype(np.float64)
            block -= self._origin
            mean = block.mean(axis=0)
            block -= mean
            total = self.count + len(block)
            step = mean - self._mean
            self._scatter += block.T @ block
            self._scatter += np.outer(step, step * (self.count * len(block) / total))
            self._mean += step * (len(block) / total)
            self.count = total

    def statistics(self) -> Statistics:
        """Returns the mean and the unbiased covariance (divided by N - 1) of all samples so far.

        Raises a ValueError for fewer than two samples.
        """
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 samples, not {self.count}")
        return self._origin + self._mean, self._scatter / (self.count - 1)


def statistics(features: np.ndarray) -> Statistics:
    """Returns mean and covariance of finite features, shape (N, dim), N >= 2.

    If N <= dim, the covariance is singular. Raises a ValueError as `RunningStatistics`.
    """
    running = RunningStatistics()
    running.update(features)
    return running.statistics()


def frechet_distance(
    mean_1: np.ndarray, cov_1: np.ndarray, mean_2: np.ndarray, cov_2: np.ndarray
) -> float:
    """Returns |mean_1 - mean_2|^2 + tr(cov_1 + cov_2 - 2 (cov_1 cov_2)^(1/2)).

    This is the squared 2-Wasserstein distance between two normal distributions (Dowson and Landau
    1982); FID applies it to Inception features (Heusel et al. 2017, arXiv:1706.08500).

    The means have shape (dim,), the covariances (dim, dim); these are symmetric and positive
    semidefinite, possibly singular. The result is at least 0, and exactly 0 for equal
    distributions.

    Raises:
        ValueError: shapes that do not match, or values that are not finite.
    """
    items = [np.asarray(item, np.float64) for item in (mean_1, cov_1, mean_2, cov_2)]
    mean_1, cov_1, mean_2, cov_2 = items
    shapes = [item.shape for item in items]
    if mean_1.ndim != 1 or shapes != 2 * [shapes[0], 2 * shapes[0]]:
        raise ValueError(f"shapes must be (dim,), (dim, dim), (dim,) and (dim, dim), not {shapes}")
    if not all(np.isfinite(item).all() for item in items):
        raise ValueError("means and covariances must be finite")
    # With cov_i = A_i A_i^T the trace of the root is the sum of the singular values of A_1^T A_2.
    # sqrtm(cov_1 @ cov_2) loses half of the digits for singular covariances and may be complex.
    root = np.linalg.svd(_factor(cov_1).T @ _factor(cov_2), compute_uv=False).sum()
    spread = float(np.trace(cov_1) + np.trace(cov_2))
    difference = mean_1 - mean_2
    distance = float(difference @ difference) + spread - 2.0 * float(root)
    # Below this, the distance is rounding error.
    resolution = 4 * len(mean_1) * np.finfo(np.float64).eps * (spread + float(mean_1 @ mean_1))
    return distance if distance > resolution else 0.0


def _factor(covariance: np.ndarray) -> np.ndarray:
    """A with A A^T = covariance; negative eigenvalues are rounding errors."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))


class KID(NamedTuple):
    """Mean and standard deviation of the estimates from subsets."""

    mean: float
    std: float


def kid(
    real: np.ndarray,
    generated: np.ndarray,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> KID:
    """Returns the squared maximum mean discrepancy with the kernel (x.y / dim + 1)^3.

    This is the kernel inception distance (Bińkowski et al. 2018, arXiv:1801.01401). Each subset is
    drawn without replacement and gives an unbiased estimate (Gretton et al. 2012): two sets from
    one distribution give values around 0, half of them negative. Pairs of a sample with itself are
    left out within a set but count between the sets, so an array compared with itself gives
    slightly less than 0.

    Args:
        real, generated: finite features, shapes (N, dim) and (M, dim), N and M >= 2.
        subsets: number of subsets.
        subset_size: samples of each set in a subset, reduced to the smaller of N and M. If it
            equals both, all subsets are the same and `std` is rounding error.
        seed: seed of the draws.

    Raises:
        ValueError: wrong shapes, values that are not finite, no subsets, or fewer than two samples.
    """
    from sklearn.metrics.pairwise import check_pairwise_arrays

    real, generated = check_pairwise_arrays(real, generated, dtype=np.float64)
    size = min(subset_size, len(real), len(generated))
    if subsets < 1 or size < 2:
        raise ValueError(f"KID needs at least 1 subset of 2 samples, not {subsets} of {size}")
    rng = np.random.default_rng(seed)
    estimates = np.empty(subsets)
    for index in range(subsets):
        drawn = [each[rng.choice(len(each), size, replace=False)] for each in (real, generated)]
        estimates[index] = _discrepancy(*drawn)
    return KID(float(estimates.mean()), float(estimates.std()))


def _discrepancy(one: np.ndarray, other: np.ndarray) -> float:
    """Unbiased estimate from two sets of the same size."""
    from sklearn.metrics.pairwise import polynomial_kernel

    count = len(one)
    within = 0.0
    for features in (one, other):
        kernel = polynomial_kernel(features)
        within += float(kernel.sum() - np.trace(kernel)) / (count * (count - 1))
    return within - 2 * float(polynomial_kernel(one, other).mean())
