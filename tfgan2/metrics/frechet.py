"""The Fréchet distance of two normal distributions (Dowson and Landau 1982)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Statistics(NamedTuple):
    """Mean and covariance of features, float64, shapes (dim,) and (dim, dim)."""

    mean: np.ndarray
    covariance: np.ndarray


def statistics(features: np.ndarray) -> Statistics:
    """Mean and covariance of features.

    Args:
        features: finite, shape (N, dim), N >= 2.

    Returns:
        Both in float64; the covariance is the unbiased one, divided by N - 1.

    Raises:
        ValueError: another shape, fewer than two samples, or values that are not finite.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features must be of shape (2 or more, dim), not {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError("features must be finite")
    mean = features.mean(axis=0)
    centred = features - mean
    return Statistics(mean, centred.T @ centred / (len(features) - 1))


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
