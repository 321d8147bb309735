"""The directions in a generator's latent space that change its images most.

GANSpace (Härkönen et al. 2020, arXiv:2004.02546) finds such directions as principal components of
a layer's features. An exported file shows no layers, so they are computed from the images, as in
Wang and Ponce 2021 (arXiv:2101.06006): the eigenvectors of the mean over latents of JᵀJ, where J is
the Jacobian of the image. A small step along the first of them changes the pixels most in the mean
of squares. No labels are used, so nothing here knows what a direction means.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfgan2.inputs.latents import draw_latents
from tfgan2.runtime import Generator
from tfgan2.runtime.backends import CHUNK

SEED = 2020
STEP = 0.5
"""Step of the finite differences in standard deviations, about that of a hand at a slider."""
EDGE = 32
"""Images are reduced to about this many pixels: structure counts, not the finest texture."""
BUDGET = 2_500_000
"""Pixels to generate in all: a few seconds for most generators."""
FEWEST, MOST = 4, 64
"""Number of latents to average over."""
LIMIT = 10_000_000
"""Pixels that FEWEST latents may need in all; above it fewer are used, down to none."""
RANGE = 3.0
"""Half the range of a slider in standard deviations; 99.7 % of training's latents lie within."""
DEVIATION = {"normal": 1.0, "uniform": 3**-0.5}


class Direction(NamedTuple):
    """A direction of the latents."""

    vector: np.ndarray
    """Unit vector, float64, shape (latent_dim,)."""
    share: float
    """Fraction of the squared change by small steps in all directions that lies along it."""
    limit: float
    """Distance from 0 on both sides within which images stay plausible."""


def principal_directions(generator: Generator, count: int = 8) -> list[Direction]:
    """Returns orthogonal directions, at most `count`, the one that changes the image most first.

    The mean is over latents, with all classes or captions in turn; the same file gives the same
    directions. The list is empty if a single latent needs more than LIMIT pixels.
    """
    dim, distribution = generator.latent_dim, generator.latent_distribution
    deviation = DEVIATION[distribution]
    height, width = generator.image_shape[:2]
    pixels = (dim + 1) * height * width  # for each latent
    samples = min(int(np.clip(BUDGET // pixels, FEWEST, MOST)), LIMIT // pixels)
    if not samples:
        return []
    latents = draw_latents(samples, dim, seed=SEED, distribution=distribution)
    labels, texts = generator.conditions(samples)
    squares = np.zeros((dim, dim))
    size = max(CHUNK, generator.batch or 1)  # so that few images are held in full size
    for i, latent in enumerate(latents):
        # The first row is the latent itself; in each other row one value moves towards 0, so that
        # none leaves the range of training.
        step = STEP * deviation
        moves = np.diag(np.where(latent > 0, -step, step)).astype(np.float32)
        rows = latent + np.concatenate([np.zeros((1, dim), np.float32), moves])
        parts = [
            reduced(
                generator(
                    part,
                    None if labels is None else np.repeat(labels[i], len(part)),
                    None if texts is None else [texts[i]] * len(part),
                )
            )
            for part in np.split(rows, range(size, len(rows), size))
        ]
        small = np.concatenate(parts).reshape(len(rows), -1).astype(np.float64)
        jacobian = (small[1:] - small[0]) / np.diag(moves)[:, None]
        squares += jacobian @ jacobian.T
    values, vectors = np.linalg.eigh(squares)
    shares = np.maximum(values, 0.0) / (values.sum() or 1.0)
    directions = []
    for share, vector in list(zip(shares, vectors.T, strict=True))[::-1][:count]:
        vector = vector * np.sign(vector[np.argmax(np.abs(vector))])  # an eigenvector has no sign
        # The cube of uniform latents ends within the range of the others.
        edge = float(np.abs(vector).sum()) if distribution == "uniform" else np.inf
        directions.append(Direction(vector, float(share), min(RANGE * deviation, edge)))
    return directions


def reduced(images: np.ndarray) -> np.ndarray:
    """Averages blocks of images, shape (N, H, W, C), down to about EDGE pixels per side."""
    count, height, width, channels = images.shape
    factor = max(1, min(height, width) // EDGE)
    height, width = height // factor, width // factor
    cut = images[:, : height * factor, : width * factor]
    return cut.reshape(count, height, factor, width, factor, channels).mean(axis=(2, 4))
