"""The Fréchet distance against closed forms and SciPy's matrix root."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from tfgan2.metrics import frechet_distance, statistics


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
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(*two, np.array([0, np.nan]), np.eye(2))
    for features in (np.zeros((1, 3)), np.zeros(5)):
        with pytest.raises(ValueError, match="shape"):
            statistics(features)
    with pytest.raises(ValueError, match="finite"):
        statistics(np.array([[1.0, np.inf], [0, 0]]))
