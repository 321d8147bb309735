"""The kernel inception distance (Bińkowski et al. 2018)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfgan2.metrics.checks import checked_pair


class KID(NamedTuple):
    """The distance over random subsets.

    Attributes:
        mean: of the subsets' estimates.
        std: their standard deviation, divided by the number of subsets.
        subsets: how many there were.
        subset_size: how many samples of either set each had.
    """

    mean: float
    std: float
    subsets: int
    subset_size: int


def kid(
    real: np.ndarray,
    made: np.ndarray,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> KID:
    """The squared maximum mean discrepancy with the kernel (x.y / dim + 1)^3.

    Each subset draws samples of both sets without replacement and gives an unbiased estimate
    (Gretton et al. 2012). Unbiased means that sets of one distribution give values around 0, half
    of them negative: pairs of a sample with itself are left out within a set, not between sets. For
    the same reason one array given as both comes out near 0 and rather below it.

    Args:
        real: finite features, shape (N, dim), N >= 2.
        made: finite features, shape (M, dim), M >= 2.
        subsets: how many to draw.
        subset_size: how many samples of each set to draw; N or M where that is fewer. If it is
            both, all subsets are the same, and the deviation is rounding.
        seed: of the draws.

    Returns:
        Mean and deviation, with the size of the subsets that was used.

    Raises:
        ValueError: other shapes, fewer than two samples, values that are not finite, or impossible
            numbers.
    """
    if subsets < 1 or subset_size < 2:
        raise ValueError(
            f"there must be 1 or more subsets of 2 or more samples, not {subsets} of {subset_size}"
        )
    real, made = checked_pair(real, made, 2, "KID needs")
    size = min(subset_size, len(real), len(made))
    rng = np.random.default_rng(seed)
    estimates = np.empty(subsets)
    for index in range(subsets):
        one = real[rng.choice(len(real), size, replace=False)]
        other = made[rng.choice(len(made), size, replace=False)]
        estimates[index] = _discrepancy(one, other)
    return KID(float(estimates.mean()), float(estimates.std()), subsets, size)


def _discrepancy(one: np.ndarray, other: np.ndarray) -> float:
    """Unbiased, of as many samples each."""
    count = len(one)
    within = 0.0
    for features in (one, other):
        kernel = _kernel(features, features)
        within += float(kernel.sum() - np.trace(kernel)) / (count * (count - 1))
    return within - 2 * float(_kernel(one, other).mean())


def _kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    base = one @ other.T
    base /= one.shape[1]
    base += 1
    # Products are many times faster than a power.
    cube = base * base
    cube *= base
    return cube
