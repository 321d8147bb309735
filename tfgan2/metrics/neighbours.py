"""Measures of neighbours: nearest real samples, precision, recall, density and coverage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

_CHUNK_MIB = 32
"""Memory of the distances that are held at a time."""


def nearest_neighbours(
    queries: np.ndarray, references: Iterable[np.ndarray], *, count: int = 1
) -> np.ndarray:
    """Finds the nearest references of each query, which show whether a generator memorised images.

    Returns the indices over all blocks of the `count` nearest, int64, shape (N, count). Copies have
    a distance of exactly 0, so they come first; equal distances are ordered by index.

    Args:
        queries: finite, shape (N, dim), N >= 1.
        references: a finite array of shape (M, dim), or blocks of this shape, read once. Memory
            grows with N times the largest M.
        count: neighbours of each query.

    Raises:
        ValueError: wrong shapes, values that are not finite, or fewer than `count` references.
    """
    from sklearn.metrics import pairwise_distances

    if count < 1:
        raise ValueError(f"at least 1 neighbour is needed, not {count}")
    if hasattr(references, "__array__"):
        references = [np.asarray(references)]
    total = 0
    indices: np.ndarray = np.zeros((len(queries), 0), np.int64)
    squares: np.ndarray = np.zeros((len(queries), 0))
    for block in filter(len, references):
        # "euclidean" would multiply matrices and round; this sums squared differences.
        squares = np.hstack([squares, pairwise_distances(queries, block, "sqeuclidean")])
        numbers = np.arange(total, total + len(block))
        indices = np.hstack([indices, np.tile(numbers, (len(queries), 1))])
        nearest = np.argsort(squares, axis=1, kind="stable")[:, :count]
        squares, indices = (np.take_along_axis(each, nearest, 1) for each in (squares, indices))
        total += len(block)
    if total < count:
        raise ValueError(f"{count} neighbours need at least {count} references, not {total}")
    return indices


class PRDC(NamedTuple):
    """How far two sets of samples cover each other.

    Attributes:
        precision: fraction of generated samples in the ball of a real sample.
        recall: fraction of real samples in the ball of a generated sample.
        density: mean number of real balls around a generated sample, divided by k; can exceed 1.
        coverage: fraction of real samples whose ball contains a generated sample.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: np.ndarray, generated: np.ndarray, *, neighbours: int = 5) -> PRDC:
    """Returns precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al.).

    The ball of a sample reaches to its k-th nearest neighbour in its own set, border excluded, as
    in the code of Naeem et al. (Kynkäänniemi et al. include the border and use k = 3). A sample
    with k or more copies has an empty ball. Distances that differ only by rounding count as equal:
    identical sets have a density of 1, and the order of samples does not matter.

    The features must be finite, shapes (N, dim) and (M, dim), N and M > `neighbours`, which is k.
    Besides copies of them it holds about 100 MiB.

    Raises:
        ValueError: wrong shapes, values that are not finite, or too few samples.
    """
    from sklearn.metrics.pairwise import check_pairwise_arrays

    real, generated = check_pairwise_arrays(real, generated, dtype=np.float64)
    if not 1 <= neighbours < min(len(real), len(generated)):
        raise ValueError(
            f"neighbours must be at least 1 and fewer than the {len(real)} real and "
            f"{len(generated)} generated samples, not {neighbours}"
        )
    # Values far from 0 would lose digits in the matrix multiplications.
    centre = real.mean(axis=0)
    real, generated = real - centre, generated - centre
    real_balls, generated_balls = (_squared_radii(each, neighbours) for each in (real, generated))
    balls_around = np.zeros(len(generated), np.int64)
    recalled, covered = np.empty((2, len(real)), bool)
    for rows, distances in _squared_distances(real, generated):
        inside = distances < real_balls[rows, None]
        balls_around += np.count_nonzero(inside, axis=0)
        covered[rows] = inside.any(axis=1)
        recalled[rows] = (distances < generated_balls).any(axis=1)
    return PRDC(
        precision=float(np.mean(balls_around > 0)),
        recall=float(np.mean(recalled)),
        density=float(np.mean(balls_around)) / neighbours,
        coverage=float(np.mean(covered)),
    )


def _squared_distances(
    one: np.ndarray, other: np.ndarray | None = None
) -> Iterator[tuple[slice, np.ndarray]]:
    from sklearn.metrics import pairwise_distances_chunked

    options = {"working_memory": _CHUNK_MIB, "squared": True}
    start = 0
    for distances in pairwise_distances_chunked(one, other, **options):
        yield slice(start, start + len(distances)), distances
        start += len(distances)


def _squared_radii(features: np.ndarray, neighbours: int) -> np.ndarray:
    """Squared radii of the balls, reduced by the rounding error: nothing on a border is inside."""
    radii = np.empty(len(features))
    for rows, distances in _squared_distances(features):
        distances.partition(neighbours, axis=1)  # the sample itself comes first, at 0
        radii[rows] = distances[:, neighbours]
    # |x|^2 + |y|^2 - 2 x.y is off by at most (dim + 4) eps (|x|^2 + |y|^2), and a y at distance r
    # of x has |y|^2 <= 2 |x|^2 + 2 r^2. Twice, since both sides of the comparison are rounded.
    resolution = 2 * (features.shape[1] + 4) * np.finfo(np.float64).eps
    return radii - resolution * (3 * np.square(features).sum(axis=1) + 2 * radii)
