"""Kernel inception distance (Bińkowski et al. 2018, arXiv:1801.01401)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class KID(NamedTuple):
    """Mean and standard deviation of the estimates, number of subsets, samples in each."""

    mean: float
    std: float
    subsets: int
    subset_size: int


def kid(
    real: np.ndarray,
    generated: np.ndarray,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> KID:
    """Returns the squared maximum mean discrepancy with the kernel (x.y / dim + 1)^3.

    Each subset is drawn without replacement and gives an unbiased estimate (Gretton et al. 2012):
    two sets from one distribution give values around 0, half of them negative. Pairs of a sample
    with itself are left out within a set but count between the sets, so an array compared with
    itself gives slightly less than 0.

    Args:
        real: finite features, shape (N, dim), N >= 2.
        generated: finite features, shape (M, dim), M >= 2.
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
        estimates[index] = _discrepancy(
            real[rng.choice(len(real), size, replace=False)],
            generated[rng.choice(len(generated), size, replace=False)],
        )
    return KID(float(estimates.mean()), float(estimates.std()), subsets, size)


def _discrepancy(one: np.ndarray, other: np.ndarray) -> float:
    """Unbiased estimate from two sets of the same size."""
    from sklearn.metrics.pairwise import polynomial_kernel

    count = len(one)
    within = 0.0
    for features in (one, other):
        kernel = polynomial_kernel(features)
        within += float(kernel.sum() - np.trace(kernel)) / (count * (count - 1))
    return within - 2 * float(polynomial_kernel(one, other).mean())
