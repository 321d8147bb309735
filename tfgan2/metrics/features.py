"""Features of images that need no trained network."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

RANDOM_CONVOLUTIONS = "random-conv-112"
"""The name of the space of `random_convolutions`; another design must get another name."""

_SEED = 20170626
_FIRST, _SECOND = 16, 24
_SMALLEST, _LARGEST = 8, 32
_CHUNK = 16


def random_convolutions(images: np.ndarray) -> np.ndarray:
    """Features by two layers of fixed random 3x3 filters.

    Filters of a fixed seed, absolute values, halving by averages, then the same again. The
    features are the mean of each of the 16 channels of the first layer over the image, and of each
    of the 24 of the second over each quarter. They see colour, contrast, edges, noise and in which
    quarter something is; they know no objects, so they rank no models against each other. Fréchet
    distances are comparable only between images of one size and number of channels.

    Args:
        images: in [-1, 1], shape (N, H, W, C). Images with an edge above 32 are first averaged
            down by a whole number, those below 8 enlarged.

    Returns:
        float32, shape (N, 112).
    """
    channels = images.shape[-1]
    rng = np.random.default_rng(_SEED)
    # The scale keeps the features near the size of the pixels.
    first = rng.standard_normal((9 * channels, _FIRST)) * np.sqrt(1 / (9 * channels))
    second = rng.standard_normal((9 * _FIRST, _SECOND)) * np.sqrt(1 / (9 * _FIRST))
    filters = first.astype(np.float32), second.astype(np.float32)
    # The products are small: threads would mostly wait for each other.
    with threadpool_limits(1, "blas"):
        return np.concatenate(
            [
                _features(_fitted(images[start : start + _CHUNK].astype(np.float32)), *filters)
                for start in range(0, len(images), _CHUNK)
            ]
        )


def _features(images: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = _convolved(images, first)
    high = _convolved(averaged(low, 2), second)
    quarters = [
        part.mean(axis=(1, 2))
        for rows in np.array_split(high, 2, axis=1)
        for part in np.array_split(rows, 2, axis=2)
    ]
    return np.concatenate([low.mean(axis=(1, 2)), *quarters], axis=1)


def _convolved(images: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Absolute values of a 3x3 convolution that keeps the size; filters of shape (9 * C, made)."""
    count, height, width, channels = images.shape
    around = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    patches = np.concatenate(
        [
            around[:, row : row + height, column : column + width]
            for row in range(3)
            for column in range(3)
        ],
        axis=-1,
    )
    made = patches.reshape(-1, 9 * channels) @ filters
    return np.abs(made, out=made).reshape(count, height, width, -1)


def _fitted(images: np.ndarray) -> np.ndarray:
    """With edges from 8 to 32, as far as whole factors allow."""
    edges = images.shape[1:3]
    if max(edges) > _LARGEST:
        return averaged(images, -(-max(edges) // _LARGEST))
    factor = -(-_SMALLEST // min(edges))
    return images.repeat(factor, axis=1).repeat(factor, axis=2) if factor > 1 else images


def averaged(images: np.ndarray, factor: int) -> np.ndarray:
    """Means of squares; the borders are repeated up to a multiple."""
    count, height, width, channels = images.shape
    missing = [-size % factor for size in (height, width)]
    if any(missing):
        around = ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0))
        images = np.pad(images, around, mode="edge")
        height, width = images.shape[1:3]
    squares = images.reshape(count, height // factor, factor, width // factor, factor, channels)
    return squares.mean(axis=(2, 4))
