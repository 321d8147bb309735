"""The peak signal-to-noise ratio."""

from __future__ import annotations

import numpy as np

PSNR_LIMIT = 100.0
"""What `psnr` says at most: identical images have no finite ratio, and JSON no infinity."""


def psnr(made: np.ndarray, reference: np.ndarray, peak: float) -> float:
    """10 log10(peak^2 / mean squared error), over all values at once.

    Args:
        made: any shape.
        reference: the same shape.
        peak: the range of the values: 255 of pictures, 2 of images in [-1, 1].

    Returns:
        Decibels, at most `PSNR_LIMIT`, which stands for "identical, or as good as".

    Raises:
        ValueError: shapes that differ, or a peak that is not positive.
    """
    if made.shape != reference.shape or not made.size:
        raise ValueError(f"shapes must be equal, not {made.shape} and {reference.shape}")
    if not peak > 0:
        raise ValueError(f"the peak must be positive, not {peak}")
    error = float(np.mean((made.astype(np.float64) - reference.astype(np.float64)) ** 2))
    if error <= peak**2 * 10 ** (-PSNR_LIMIT / 10):
        return PSNR_LIMIT
    return float(10 * np.log10(peak**2 / error))
