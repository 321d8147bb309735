"""Fréchet distance and KID against closed forms, SciPy's matrix root and scikit-learn's kernel."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
from sklearn.metrics.pairwise import polynomial_kernel

from tfgan2.metrics import RunningStatistics, frechet_distance, kid, statistics


def covariance(rng, dim, rank=None):
    factor = rng.standard_normal((dim, rank or 2 * dim))
    return factor @ factor.T / factor.shape[1]


def with_sqrtm(mean_1, cov_1, mean_2, cov_2):
    root = scipy.linalg.sqrtm(cov_1 @ cov_2)
    return float(np.sum((mean_1 - mean_2) ** 2) + np.trace(cov_1 + cov_2 - 2 * root.real))


@pytest.mark.parametrize("dim", [1, 2, 7, 40])
def test_against_sqrtm(dim):
    rng = np.random.default_rng(dim)
    arguments = (
        rng.standard_normal(dim),
        covariance(rng, dim),
        rng.standard_normal(dim),
        3 * covariance(rng, dim),
    )
    assert frechet_distance(*arguments) == pytest.approx(with_sqrtm(*arguments), rel=1e-9)
    swapped = (*arguments[2:], *arguments[:2])
    assert frechet_distance(*swapped) == pytest.approx(frechet_distance(*arguments), rel=1e-9)


def test_closed_forms():
    one, zero = np.eye(3), np.zeros(3)
    assert frechet_distance(zero, one, np.array([3.0, 0, 4]), one) == pytest.approx(25)
    # Of diagonal covariances it is the sum of the squared differences of the deviations.
    assert frechet_distance(zero, np.diag([1.0, 4, 9]), zero, np.diag([4.0, 4, 1])) == (
        pytest.approx((1 - 2) ** 2 + 0 + (3 - 1) ** 2)
    )
    assert frechet_distance(zero, 0 * one, zero, 4 * one) == pytest.approx(12)


def test_singular_covariances():
    rng = np.random.default_rng(0)
    mean, cov = rng.standard_normal(50), covariance(rng, 50, rank=3)
    assert frechet_distance(mean, cov, mean, cov) == 0.0
    # Scaled by s the distance is (s - 1)^2 tr(cov), of whatever rank.
    assert frechet_distance(mean, cov, mean, 4 * cov) == pytest.approx(np.trace(cov), rel=1e-9)
    constant = np.zeros((50, 50))
    assert frechet_distance(mean, constant, mean, constant) == 0.0


def test_tiny_differences_are_seen():
    rng = np.random.default_rng(1)
    mean, cov = rng.standard_normal(30), covariance(rng, 30, rank=5)
    assert frechet_distance(mean, cov, mean + 1e-4, cov) == pytest.approx(30 * 1e-8, rel=1e-3)


def test_identical_sets_give_zero():
    rng = np.random.default_rng(2)
    for count in (5, 400):  # fewer samples than dimensions: singular
        features = (1e3 + rng.standard_normal((count, 60))).astype(np.float32)
        one, other = statistics(features), statistics(features[::-1].copy())
        assert frechet_distance(*one, *one) == 0.0
        assert frechet_distance(*one, *other) == pytest.approx(0.0, abs=1e-6)


def test_statistics():
    features = np.random.default_rng(3).standard_normal((20, 4)).astype(np.float32)
    mean, cov = statistics(features)
    assert mean.dtype == cov.dtype == np.float64
    np.testing.assert_allclose(mean, features.astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(cov, np.cov(features.astype(np.float64), rowvar=False))


def test_impossible_arguments():
    two = np.zeros(2), np.eye(2)
    with pytest.raises(ValueError, match="shape"):
        frechet_distance(*two, np.zeros(3), np.eye(3))
    with pytest.raises(ValueError, match="must be finite"):
        frechet_distance(*two, np.array([0, np.nan]), np.eye(2))
    for features in (np.zeros(5), np.zeros((5, 0)), np.zeros((5, 2, 2))):
        with pytest.raises(ValueError, match=r"Expected 2D|0 feature|dim 3"):
            statistics(features)
    for count in (0, 1):
        with pytest.raises(ValueError, match=f"at least 2 samples, not {count}"):
            statistics(np.zeros((count, 3)))
    with pytest.raises(ValueError, match="infinity"):
        statistics(np.array([[1.0, np.inf], [0, 0]]))


@pytest.mark.parametrize("count", [20, 400])  # fewer samples than dimensions, and more
def test_of_features_against_sqrtm(count):
    rng = np.random.default_rng(4)
    features = [
        (5 + scale * rng.standard_normal((count, 50))).astype(np.float32) for scale in (1, 1.5)
    ]
    of_numpy = [
        item
        for one in features
        for item in (one.mean(axis=0, dtype=np.float64), np.cov(one, rowvar=False))
    ]
    made = frechet_distance(*statistics(features[0]), *statistics(features[1]))
    assert made == pytest.approx(with_sqrtm(*of_numpy), rel=1e-5)


def exact(features):
    """Mean and covariance of whole numbers in Python's integers: no rounding but the last."""
    whole = features.astype(np.int64).astype(object)
    count = len(whole)
    total = whole.sum(axis=0)
    scatter = count * (whole.T @ whole) - np.outer(total, total)
    return (total / count).astype(float), (scatter / (count * (count - 1))).astype(float)


@pytest.mark.parametrize("offset", [0, 10**9])
@pytest.mark.parametrize("batches", [[1] * 7, [300], [1, 0, 299], [128] * 20, [2500, 3, 1500]])
def test_batches_are_as_exact_as_all_at_once(offset, batches):
    features = np.random.default_rng(5).integers(-50, 90, (sum(batches), 4)) + offset
    running = RunningStatistics()
    for batch in np.split(features.astype(np.float64), np.cumsum(batches)[:-1]):
        running.update(batch)
    assert running.count == len(features)
    for made in (running.statistics(), statistics(features.astype(np.float64))):
        for part, expected in zip(made, exact(features), strict=True):
            scale = np.abs(expected).max()
            np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-12 * scale)


def test_constant_features():
    features = np.full((30, 5), 0.1, np.float32)
    mean, cov = statistics(features)
    np.testing.assert_array_equal(mean, features[0].astype(np.float64))
    assert not cov.any()
    assert frechet_distance(mean, cov, mean, cov) == 0.0


def test_batches_that_do_not_fit_change_nothing():
    running = RunningStatistics()
    running.update(np.eye(3))
    before = running.statistics()
    for batch, message in (
        (np.full((2, 3), np.nan), "NaN"),
        (np.vstack([np.zeros((2000, 3)), np.full((1, 3), np.inf)]), "infinity"),
        (np.zeros((2, 4)), "as before"),
        (np.zeros(3), "Expected 2D"),
    ):
        with pytest.raises(ValueError, match=message):
            running.update(batch)
    assert running.count == 3
    for one, other in zip(before, running.statistics(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_take_constant_memory():
    """50,000 x 512 features have 98 MiB in float32."""
    rng, running = np.random.default_rng(6), RunningStatistics()
    batch = rng.standard_normal((2500, 512), dtype=np.float32)
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(20):
            tracemalloc.reset_peak()
            running.update(batch)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert running.count == 50_000
    assert peaks[-1] <= peaks[1] + 2**16
    assert 2 * 2**20 < max(peaks) < 24 * 2**20  # the covariance alone has 2 MiB
    # Twenty times the same batch: only the divisor is another.
    np.testing.assert_allclose(
        running.statistics()[1],
        statistics(batch)[1] * (20 * 2499 / 49_999),
        rtol=1e-9,
        atol=1e-12,
    )


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
def test_kid_of_whole_sets(offset):
    real, made = features(150), features(150, seed=1, offset=offset)
    result = kid(real, made, subsets=3)
    expected = discrepancy(real.astype(np.float64), made.astype(np.float64))
    assert result.mean == pytest.approx(expected, rel=1e-5)
    assert result.std == pytest.approx(0, abs=1e-9)


def test_kid_of_subsets():
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
    assert kid(real, made, subsets=20, subset_size=80, seed=7) == result
    assert kid(real, made, subsets=20, subset_size=80, seed=8).mean != result.mean


def test_kid_closed_form():
    """In one dimension it is the sum of 3 over j times the squared differences of the moments j."""
    rng = np.random.default_rng(0)
    real, made = rng.standard_normal((20_000, 1)), 0.5 + rng.standard_normal((20_000, 1))
    expected = 3 * 0.5**2 + 3 * 0.25**2 + 1.625**2
    assert kid(real, made, subset_size=500).mean == pytest.approx(expected, rel=0.15)


def test_kid_of_one_distribution_it_is_around_zero():
    means = [
        kid(features(400, seed=seed), features(400, seed=99 - seed), subsets=1).mean
        for seed in range(20)
    ]
    assert 3 < sum(mean < 0 for mean in means) < 17
    assert abs(np.mean(means)) < 0.01 < kid(features(400), features(400, offset=0.5)).mean


def test_kid_identical_sets():
    real = features(500)
    assert -0.1 < kid(real, real, subsets=1).mean < 0
    assert kid(real, real, subset_size=100).mean == pytest.approx(0, abs=0.05)
    assert kid(np.full((5, 3), 0.1), np.full((9, 3), 0.1)).mean == pytest.approx(0, abs=1e-12)
    # Fewer samples than dimensions.
    assert np.isfinite(kid(features(3, dim=20), features(2, dim=20)).mean)
    assert kid(features(3), features(2)) == kid(features(3), features(2), subset_size=2)


def test_kid_impossible_arguments():
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
