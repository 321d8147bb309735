"""Measures of images themselves: features that need no trained network, and PSNR."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

RANDOM_CONVOLUTIONS = "random-conv-112"
"""Name of the features of `random_convolutions`; a different design must get a different name."""

PSNR_LIMIT = 100.0
"""Largest result of `psnr`: identical images have an infinite ratio, which JSON cannot hold."""

_SEED = 20170626
_FIRST, _SECOND = 16, 24
_SMALLEST, _LARGEST = 8, 32
_CHUNK = 16


def random_convolutions(images: np.ndarray) -> np.ndarray:
    """Computes features with two layers of fixed random 3x3 filters.

    Each layer takes absolute values; 2x2 means lie between the two. The features are the means of
    the 16 channels of the first layer over the image and of the 24 of the second over each quarter.
    They respond to colour, contrast, edges, noise and coarse position, but know no objects, so they
    do not rank models. Fréchet distances are comparable only for equal image sizes and channels.

    Takes floats in [-1, 1], shape (N, H, W, C), N >= 1, and returns float32, shape (N, 112). Edges
    above 32 are first reduced by a whole factor, edges below 8 repeated.

    Raises:
        ValueError: another shape, or values that are not floats.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not images.size:
        raise ValueError(f"images must be of shape (N, H, W, C), not {images.shape}")
    if images.dtype.kind != "f":
        raise ValueError(
            f"images must be floats in [-1, 1], not {images.dtype}: give x / 127.5 - 1 for values "
            "from 0 to 255"
        )
    channels = images.shape[-1]
    rng = np.random.default_rng(_SEED)
    # The scale keeps features as large as pixels.
    first = rng.standard_normal((9 * channels, _FIRST)) * np.sqrt(1 / (9 * channels))
    second = rng.standard_normal((9 * _FIRST, _SECOND)) * np.sqrt(1 / (9 * _FIRST))
    filters = first.astype(np.float32), second.astype(np.float32)
    # Threads would mostly wait for each other in matrix multiplications this small.
    with threadpool_limits(1, "blas"):
        return np.concatenate(
            [
                _features(_resized(images[start : start + _CHUNK].astype(np.float32)), *filters)
                for start in range(0, len(images), _CHUNK)
            ]
        )


def _features(images: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = _convolved(images, first)
    high = _convolved(block_means(low, 2), second)
    quarters = [
        part.mean(axis=(1, 2))
        for rows in np.array_split(high, 2, axis=1)
        for part in np.array_split(rows, 2, axis=2)
    ]
    return np.concatenate([low.mean(axis=(1, 2)), *quarters], axis=1)


def _convolved(images: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Absolute values of a 3x3 convolution with "same" padding; filters of shape (9 C, outputs)."""
    count, height, width, channels = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    patches = np.concatenate(
        [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=-1
    )
    outputs = patches.reshape(-1, 9 * channels) @ filters
    return np.abs(outputs, out=outputs).reshape(count, height, width, -1)


def _resized(images: np.ndarray) -> np.ndarray:
    """Images with edges from 8 to 32, as far as whole factors allow."""
    edges = images.shape[1:3]
    if max(edges) > _LARGEST:
        return block_means(images, -(-max(edges) // _LARGEST))
    factor = -(-_SMALLEST // min(edges))
    return images.repeat(factor, axis=1).repeat(factor, axis=2) if factor > 1 else images


def block_means(images: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor x factor blocks; borders are repeated to fill the last blocks."""
    count, height, width, channels = images.shape
    missing = [-size % factor for size in (height, width)]
    if any(missing):
        images = np.pad(images, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        height, width = images.shape[1:3]
    blocks = images.reshape(count, height // factor, factor, width // factor, factor, channels)
    return blocks.mean(axis=(2, 4))


def psnr(images: np.ndarray, reference: np.ndarray, peak: float) -> float:
    """Returns 10 log10(peak^2 / mean squared error) over all values, in dB, at most `PSNR_LIMIT`.

    Both arrays have one shape. `peak` is the range of the values: 255 for uint8, 2 for [-1, 1].

    Raises:
        ValueError: different or empty shapes, or a peak that is not positive.
    """
    from skimage.metrics import peak_signal_noise_ratio

    images, reference = np.asarray(images), np.asarray(reference)
    if images.shape != reference.shape:
        raise ValueError(f"shapes must be equal, not {images.shape} and {reference.shape}")
    if not images.size:
        raise ValueError(f"at least 1 value is needed: the shape is {images.shape}")
    if not peak > 0:
        raise ValueError(f"the peak must be positive, not {peak}")
    # scikit-image would compute float32 images in float32.
    arrays = reference.astype(np.float64), images.astype(np.float64)
    with np.errstate(divide="ignore"):
        return float(min(peak_signal_noise_ratio(*arrays, data_range=peak), PSNR_LIMIT))
