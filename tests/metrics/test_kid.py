"""The kernel inception distance against scikit-learn's kernel, as its authors take it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel

from tfgan2.metrics import kid


def features(count, dim=12, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    return (offset + rng.standard_normal((count, dim))).astype(np.float32)


def discrepancy(one, other):
    """Of equally many samples, with the kernel of scikit-learn, whose gamma is 1 / dim.

    The packages for KID on PyPI (torch-fidelity, clean-fid) need torch, which is too heavy for
    tests; the authors' own code, which is not on PyPI, takes this kernel, and sums it like here.
    """
    count = len(one)
    settings = {"degree": 3, "gamma": None, "coef0": 1}
    same = [polynomial_kernel(item, **settings) for item in (one, other)]
    for kernel in same:
        np.fill_diagonal(kernel, 0)
    within = sum(kernel.sum() for kernel in same) / (count * (count - 1))
    return within - 2 * polynomial_kernel(one, other, **settings).mean()


@pytest.mark.parametrize("offset", [0.0, 0.3, 4.0])
def test_of_whole_sets(offset):
    real, made = features(150), features(150, seed=1, offset=offset)
    result = kid(real, made, subsets=3)
    expected = discrepancy(real.astype(np.float64), made.astype(np.float64))
    assert result.mean == pytest.approx(expected, rel=1e-5)
    assert result.std == pytest.approx(0, abs=1e-9)
    assert (result.subsets, result.subset_size) == (3, 150)


def test_of_subsets():
    real, made = features(300, dim=112), features(200, dim=112, seed=1, offset=0.2)
    result = kid(real, made, subsets=20, subset_size=80, seed=7)
    rng = np.random.default_rng(7)
    estimates = []
    for _ in range(20):
        one = real[rng.choice(300, 80, replace=False)]
        other = made[rng.choice(200, 80, replace=False)]
        estimates.append(discrepancy(one.astype(np.float64), other.astype(np.float64)))
    assert result.mean == pytest.approx(np.mean(estimates), rel=1e-5)
    assert result.std == pytest.approx(np.std(estimates), rel=1e-5)
    assert (result.subsets, result.subset_size) == (20, 80)
    assert kid(real, made, subsets=20, subset_size=80, seed=7) == result
    assert kid(real, made, subsets=20, subset_size=80, seed=8).mean != result.mean


def test_closed_form():
    """In one dimension it is the sum of 3 over j times the squared differences of the moments j."""
    rng = np.random.default_rng(0)
    real, made = rng.standard_normal((20_000, 1)), 0.5 + rng.standard_normal((20_000, 1))
    expected = 3 * 0.5**2 + 3 * 0.25**2 + 1.625**2
    assert kid(real, made, subset_size=500).mean == pytest.approx(expected, rel=0.15)


def test_of_one_distribution_it_is_around_zero():
    means = [
        kid(features(400, seed=seed), features(400, seed=99 - seed), subsets=1).mean
        for seed in range(20)
    ]
    assert 3 < sum(mean < 0 for mean in means) < 17
    assert abs(np.mean(means)) < 0.01 < kid(features(400), features(400, offset=0.5)).mean


def test_identical_sets():
    real = features(500)
    assert -0.1 < kid(real, real, subsets=1).mean < 0
    assert kid(real, real, subset_size=100).mean == pytest.approx(0, abs=0.05)
    assert kid(np.full((5, 3), 0.1), np.full((9, 3), 0.1)).mean == pytest.approx(0, abs=1e-12)
    # Fewer samples than dimensions.
    assert np.isfinite(kid(features(3, dim=20), features(2, dim=20)).mean)
    assert kid(features(3), features(2)).subset_size == 2


def test_impossible_arguments():
    real = features(10)
    with pytest.raises(ValueError, match="2 samples, not 100 of 1"):
        kid(real, real[:1])
    with pytest.raises(ValueError, match="Incompatible dimension"):
        kid(real, real[:, :5])
    with pytest.raises(ValueError, match="Expected 2D"):
        kid(real[0], real)
    with pytest.raises(ValueError, match="NaN"):
        kid(real, np.where(real > 1, np.nan, real))
    for numbers in ({"subsets": 0}, {"subset_size": 1}):
        with pytest.raises(ValueError, match="at least 1 subset"):
            kid(real, real, **numbers)
