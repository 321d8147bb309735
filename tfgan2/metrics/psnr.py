"""Peak signal-to-noise ratio."""

from __future__ import annotations

import numpy as np

PSNR_LIMIT = 100.0
"""Largest result of `psnr`: identical images have an infinite ratio, which JSON cannot hold."""


def psnr(images: np.ndarray, reference: np.ndarray, peak: float) -> float:
    """Returns 10 log10(peak^2 / mean squared error) over all values, in dB, at most `PSNR_LIMIT`.

    Args:
        images: any shape and type.
        reference: the same shape.
        peak: range of the values: 255 for uint8, 2 for [-1, 1].

    Raises:
        ValueError: different or empty shapes, or a peak that is not positive.
    """
    from skimage.metrics import peak_signal_noise_ratio

    if images.shape != reference.shape or not images.size:
        raise ValueError(f"shapes must be equal, not {images.shape} and {reference.shape}")
    if not peak > 0:
        raise ValueError(f"the peak must be positive, not {peak}")
    # scikit-image would compute float32 images in float32.
    arrays = reference.astype(np.float64), images.astype(np.float64)
    with np.errstate(divide="ignore"):
        return float(min(peak_signal_noise_ratio(*arrays, data_range=peak), PSNR_LIMIT))
