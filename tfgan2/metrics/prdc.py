"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfgan2.metrics.checks import checked_pair
from tfgan2.metrics.neighbours import rounding, row_slices, squared_distances

# How many distances are held at a time: 32 MiB in float64.
_BLOCK_ENTRIES = 2**22


class PRDC(NamedTuple):
    """How the balls around the samples of one set hold those of the other.

    Attributes:
        precision: share of made samples in the ball of any real one.
        recall: share of real samples in the ball of any made one.
        density: in how many balls of real samples a made one is on average, divided by `nearest`;
            may be above 1.
        coverage: share of real samples whose balls hold a made one.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: np.ndarray, made: np.ndarray, *, nearest: int = 5) -> PRDC:
    """Precision, recall, density and coverage by nearest neighbours.

    The ball of a sample reaches to its `nearest`-th neighbour in its own set, exclusively, as in
    the code of Naeem et al.; Kynkäänniemi et al. include what is exactly that far away, and take
    3 neighbours. A sample with `nearest` or more copies of itself therefore has an empty ball.
    Distances that differ by no more than rounding count as equal: identical sets have a density of
    1, and the values do not depend on the order of samples.

    Distances are taken in blocks of rows, in float64: besides float64 copies of the features some
    100 MiB are held, whatever the number of samples (up to 4 million).

    Args:
        real: finite features, shape (N, dim), N > nearest.
        made: finite features, shape (M, dim), M > nearest.
        nearest: how many neighbours.

    Raises:
        ValueError: other shapes, too few samples, or values that are not finite.
    """
    if nearest < 1:
        raise ValueError(f"there must be 1 or more neighbours, not {nearest}")
    real, made = checked_pair(real, made, nearest + 1, f"{nearest} nearest neighbours need")
    # What is far from 0 would lose digits in the products.
    centre = real.mean(axis=0)
    real -= centre
    made -= centre
    real_norms, made_norms = np.sum(real**2, axis=1), np.sum(made**2, axis=1)
    real_balls = _balls(real, real_norms, nearest)
    made_balls = _balls(made, made_norms, nearest)
    balls_around = np.zeros(len(made), np.int64)
    recalled, covered = np.empty((2, len(real)), bool)
    for rows in row_slices(len(real), len(made), _BLOCK_ENTRIES):
        distances = squared_distances(real[rows], made, real_norms[rows], made_norms)
        inside = distances < real_balls[rows, None]
        balls_around += np.count_nonzero(inside, axis=0)
        covered[rows] = inside.any(axis=1)
        recalled[rows] = (distances < made_balls).any(axis=1)
    return PRDC(
        precision=float(np.mean(balls_around > 0)),
        recall=float(np.mean(recalled)),
        density=float(np.mean(balls_around)) / nearest,
        coverage=float(np.mean(covered)),
    )


def _balls(features: np.ndarray, norms: np.ndarray, nearest: int) -> np.ndarray:
    """Squared radii, smaller by what rounding may do, so that nothing on a border is inside."""
    radii = np.empty(len(features))
    for rows in row_slices(len(features), len(features), _BLOCK_ENTRIES):
        distances = squared_distances(features[rows], features, norms[rows], norms)
        # The sample itself is at 0, or as good as, and comes before its neighbours.
        distances.partition(nearest, axis=1)
        radii[rows] = distances[:, nearest]
    # What is at the distance r of x has at most the norm |x| + r, the square of which is at most
    # 2 |x|^2 + 2 r^2. Twice: the radius is rounded, and so is what it is compared with.
    return radii - 2 * rounding(3 * norms + 2 * np.maximum(radii, 0), features.shape[1])
