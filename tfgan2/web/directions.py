"""The directions in a generator's latent space that change its pictures most.

GANSpace (Härkönen et al. 2020, arXiv:2004.02546) finds such directions as principal components of
a layer's features. An exported file has no layers to look into, so they are taken of what comes
out, as Wang and Ponce 2021 (arXiv:2101.06006) do: the eigenvectors of the mean over latents of
JᵀJ, J being the Jacobian of the picture. Along the first of them, a step of the latent changes the
pixels most in the mean of squares. It is found without labels: what a direction means, if anything
a person has a word for, is for the eye to tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfgan2.inputs.latents import draw_latents
from tfgan2.runtime import Generator

SEED = 2020
STEP = 0.5
"""Of the finite differences, in standard deviations: what a hand at a slider does, no less."""
EDGE = 32
"""Pictures are shrunk to about so many pixels: structure counts, not the finest texture."""
BUDGET = 2_500_000
"""How many pixels are made in all: a few seconds for most generators."""
FEWEST, MOST = 4, 64
"""How many latents are looked at."""
RANGE = 3.0
"""How far a slider goes, in standard deviations: 99.7 % of training's latents lie within."""
DEVIATION = {"normal": 1.0, "uniform": 3**-0.5}


@dataclass(frozen=True)
class Direction:
    """A direction of the latents.

    Attributes:
        vector: of length 1, float64, shape (latent_dim,).
        share: of all that small steps of the latent change, in squares, what lies along it; 0…1.
        limit: how far along it from 0 pictures stay plausible, on both sides.
    """

    vector: np.ndarray
    share: float
    limit: float


def principal_directions(generator: Generator, count: int = 8) -> list[Direction]:
    """Finds them; the same file gives the same directions.

    The mean goes over latents, and over classes or captions, which take turns.

    Args:
        generator: an exported one.
        count: how many; fewer where latents are shorter.

    Returns:
        Orthogonal directions, the one that changes the picture most first.
    """
    dim, distribution = generator.latent_dim, generator.latent_distribution
    height, width = generator.image_shape[:2]
    looked_at = int(np.clip(BUDGET // ((dim + 1) * height * width), FEWEST, MOST))
    latents = draw_latents(looked_at, dim, seed=SEED, distribution=distribution)
    labels, texts = generator.labels(looked_at), generator.texts(looked_at)
    step = STEP * DEVIATION[distribution]
    squares = np.zeros((dim, dim))
    for i, latent in enumerate(latents):
        # One row for each latent that is moved, the first for none. Towards 0, so that none of them
        # leaves what training has seen.
        moves = np.diag(np.where(latent > 0, -step, step)).astype(np.float32)
        rows = latent + np.concatenate([np.zeros((1, dim), np.float32), moves])
        images = generator(
            rows,
            None if labels is None else np.repeat(labels[i], len(rows)),
            None if texts is None else [texts[i]] * len(rows),
        )
        small = shrunk(images).reshape(len(rows), -1).astype(np.float64)
        jacobian = (small[1:] - small[0]) / np.diag(moves)[:, None]
        squares += jacobian @ jacobian.T
    values, vectors = np.linalg.eigh(squares)
    total = values.sum()
    found = []
    for value, vector in list(zip(values, vectors.T, strict=True))[::-1][:count]:
        vector = vector * np.sign(vector[np.argmax(np.abs(vector))])  # an eigenvector has no sign
        limit = RANGE * DEVIATION[distribution]
        if distribution == "uniform":
            limit = min(limit, float(np.abs(vector).sum()))  # there the cube of latents ends
        share = float(max(value, 0.0) / total) if total > 0 else 0.0
        found.append(Direction(vector, share, limit))
    return found


def shrunk(images: np.ndarray) -> np.ndarray:
    """Images of shape (N, H, W, C) to about EDGE pixels by the means of blocks, smaller ones as
    they are."""
    count, height, width, channels = images.shape
    factor = max(1, min(height, width) // EDGE)
    height, width = height // factor, width // factor
    cut = images[:, : height * factor, : width * factor]
    return cut.reshape(count, height, factor, width, factor, channels).mean(axis=(2, 4))
