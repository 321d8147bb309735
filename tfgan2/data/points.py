"""`ring8` and `grid25`: points around known modes, so the modes that a GAN misses are countable."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfgan2.data.dataset import ImageDataset
from tfgan2.data.request import Request, build
from tfgan2.errors import UserError, unknown

NUM_POINTS = 100_000
GOOD_DISTANCE = 3.0
"""Largest distance of a good point from its mode, in standard deviations."""

STDS = {"ring8": 0.01, "grid25": 0.05}
"""Standard deviation of each Gaussian, the same in both directions."""


class Quality(NamedTuple):
    """The number of modes with at least one good point, and the fraction of good points, 0…1."""

    modes_found: int
    good: float


def modes(name: str) -> np.ndarray:
    """Returns the centres of the Gaussians, float32, shape (M, 2).

    "ring8" (Srivastava et al. 2017): on the unit circle, from (1, 0) on, anticlockwise. "grid25"
    (Lin et al. 2018): -4, -2, 0, 2, 4 in both directions, row by row from (-4, -4) on.
    """
    if name not in STDS:
        raise unknown("set of points", name, STDS)
    if name == "ring8":
        angles = np.arange(8) * np.pi / 4
        centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    else:
        steps = np.arange(-4, 5, 2)
        centres = np.stack([np.tile(steps, 5), np.repeat(steps, 5)], axis=1)
    return centres.astype(np.float32)


def quality(points: np.ndarray, name: str) -> Quality:
    """Measures points (Srivastava et al. 2017): good ones lie within 3 stds of the nearest mode.

    Args:
        points: shape (N, 2) or (N, 1, 1, 2), N >= 1. Values that are not finite are never good.
        name: "ring8" or "grid25"; another is a UserError, another shape of points a ValueError.
    """
    if points.shape[1:] not in ((2,), (1, 1, 2)) or not len(points):
        raise ValueError(f"points must be of shape (N, 2) or (N, 1, 1, 2), not {points.shape}")
    flat = points.reshape(-1, 1, 2).astype(np.float64)
    distances = np.linalg.norm(flat - modes(name), axis=2)
    nearest = distances.argmin(axis=1)
    good = distances[np.arange(len(flat)), nearest] <= GOOD_DISTANCE * STDS[name]
    return Quality(len(np.unique(nearest[good])), float(good.mean()))


def load(request: Request) -> ImageDataset:
    """Loads "ring8" or "grid25": images of one pixel with x and y as its channels, not scaled."""
    from tfgan2.data.sources import memory_source

    if request.hold_out:
        raise UserError(f"dataset {request.name!r} can draw new points", ": leave --hold-out out")
    centres = modes(request.name)
    labels = np.repeat(np.arange(len(centres)), NUM_POINTS // len(centres))
    # RandomState: NumPy promises that its draws stay the same.
    noise = np.random.RandomState(0).standard_normal((NUM_POINTS, 2))
    points = (centres[labels] + STDS[request.name] * noise).astype(np.float32)

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        request.progress(f"drawing {request.name}", len(numbers), len(numbers))
        source = memory_source(points[numbers].reshape(-1, 1, 1, 2), labels)
        return ImageDataset(source, request.name, (1, 1, 2), request.name)

    known = [str(mode) for mode in range(len(centres))]
    return build(request, NUM_POINTS, part, known=known, labels=labels)
