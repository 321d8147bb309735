"""How different generated images are from each other, for an alarm while a model trains."""

from __future__ import annotations

import numpy as np

from tfgan2.metrics.images import random_convolutions


def nearest_distances(images: np.ndarray) -> np.ndarray:
    """Returns the distance of each image to the nearest other one, in `random_convolutions`.

    Takes N >= 2 images in [-1, 1], shape (N, H, W, C), and returns float64, shape (N,).
    """
    features = random_convolutions(images).astype(np.float64)
    features -= features.mean(axis=0)
    squares = np.square(features).sum(axis=1)
    distances = squares[:, None] + squares - 2.0 * features @ features.T
    np.fill_diagonal(distances, np.inf)
    return np.sqrt(np.maximum(distances.min(axis=1), 0.0))


def diversity(generated: np.ndarray, real: np.ndarray) -> float:
    """Returns the mean of min(1, 2 distance / median real distance), of `nearest_distances`.

    Both are of equally many images. 1: each generated image is at least half as far from all others
    as real ones are; 0: each has a copy. A third of the images that look alike lowers it by up to a
    third, however different they are from the others: a mean of all distances would even grow.
    """
    scale = float(np.median(real)) / 2.0
    return float(np.minimum(generated / scale, 1.0).mean()) if scale else 1.0
