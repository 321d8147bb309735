"""What the metrics ask of their arguments."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_ROWS = 1024


def checked_features(features: np.ndarray, name: str = "features") -> np.ndarray:
    """Features as they came, once they are known to be a matrix of finite numbers.

    Args:
        features: shape (N, dim), dim >= 1.
        name: what messages call them.

    Raises:
        ValueError: another shape, or values that are not finite.
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(f"{name} must be of shape (N, dim), not {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError(f"{name} must be finite")
    return features


def checked_pair(
    real: np.ndarray, made: np.ndarray, least: int, why: str
) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features of the same dimension, in float64.

    Args:
        real: finite, shape (N, dim).
        made: finite, shape (M, dim).
        least: how many samples each must have.
        why: begins the message about too few.

    Raises:
        ValueError: other shapes, values that are not finite, or too few samples.
    """
    real, made = checked_features(real, "real"), checked_features(made, "made")
    if real.shape[1] != made.shape[1]:
        raise ValueError(f"features must have one dimension, not {real.shape[1]}, {made.shape[1]}")
    if min(len(real), len(made)) < least:
        raise ValueError(
            f"{why} at least {least} samples in each set, not {len(real)} real and {len(made)} made"
        )
    return real.astype(np.float64), made.astype(np.float64)


def row_blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Float64 copies of 1,024 rows at a time, so that no copy of all of them is ever needed."""
    for start in range(0, len(array), _ROWS):
        yield array[start : start + _ROWS].astype(np.float64)
