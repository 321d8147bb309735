"""The nearest training samples of what was made: whether a generator learnt images by heart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from tfgan2.metrics.checks import checked_features

# Where references are copies of each other all pairs are looked at twice, with indices.
_BLOCK_ENTRIES = 2**20
_PAIR_VALUES = 2**20


class Neighbours(NamedTuple):
    """The nearest references of each query, the nearest first.

    Attributes:
        indices: int64, shape (N, nearest), over all blocks of references.
        distances: Euclidean, float64, shape (N, nearest).
    """

    indices: np.ndarray
    distances: np.ndarray


def nearest_neighbours(
    queries: np.ndarray, references: Iterable[np.ndarray], *, nearest: int = 1
) -> Neighbours:
    """Finds the nearest references of each query among blocks that are read once.

    Distances are taken from differences, so that copies are at exactly 0, and the lower index comes
    first where they are equal. Besides the queries and one block of references some 100 MiB are
    held, however many blocks there are.

    Args:
        queries: finite, shape (N, dim).
        references: blocks of shape (M, dim) with finite values, of any M; a generator, for
            instance. One array must be given as [array].
        nearest: how many to find.

    Raises:
        ValueError: other shapes, values that are not finite, or fewer references than `nearest`.
    """
    queries = checked_features(queries, "queries")
    if nearest < 1:
        raise ValueError(f"there must be 1 or more neighbours to find, not {nearest}")
    if isinstance(references, np.ndarray) and references.ndim == 2:
        raise ValueError("references must be blocks: give one array as [array]")
    count, dim = queries.shape
    # What is far from 0 would lose digits in the products below.
    origin = queries[0].astype(np.float64) if count else np.zeros(dim)
    queries = queries - origin
    # Squares, until the end.
    best = Neighbours(np.full((count, nearest), -1), np.full((count, nearest), np.inf))
    seen = 0
    for block in references:
        block = checked_features(block, "references")
        if block.shape[1] != dim:
            raise ValueError(f"references must be of shape (M, {dim}), not {block.shape}")
        for start in range(0, len(block), 1024):
            piece = block[start : start + 1024] - origin
            for rows in row_slices(count, len(piece), _BLOCK_ENTRIES):
                found = _merged(
                    queries[rows],
                    piece,
                    seen + start,
                    Neighbours(best.indices[rows], best.distances[rows]),
                )
                best.indices[rows], best.distances[rows] = found
        seen += len(block)
    if seen < nearest:
        raise ValueError(f"{nearest} neighbours need as many references, not {seen}")
    return Neighbours(best.indices, np.sqrt(best.distances))


def squared_distances(
    one: np.ndarray, other: np.ndarray, one_norms: np.ndarray, other_norms: np.ndarray
) -> np.ndarray:
    """|x|^2 + |y|^2 - 2 x.y of all pairs; each may be off by `rounding` of its norms, also below 0.

    Args:
        one: float64, shape (N, dim).
        other: float64, shape (M, dim).
        one_norms: |x|^2, shape (N,).
        other_norms: |y|^2, shape (M,).

    Returns:
        float64, shape (N, M).
    """
    distances = one @ other.T
    distances *= -2
    distances += one_norms[:, None]
    distances += other_norms
    return distances


def rounding(norms: np.ndarray, dim: int) -> np.ndarray:
    """A bound of the error of `squared_distances` where |x|^2 + |y|^2 is `norms`."""
    return (dim + 4) * np.finfo(np.float64).eps * norms


def row_slices(count: int, columns: int, entries: int) -> Iterator[slice]:
    """Slices of `count` rows, such that one of `columns` columns has at most `entries`."""
    rows = max(1, entries // max(1, columns))
    for start in range(0, count, rows):
        yield slice(start, start + rows)


def _merged(queries: np.ndarray, piece: np.ndarray, offset: int, best: Neighbours) -> Neighbours:
    """The best so far or of the piece, whose first row has the index `offset`; squares."""
    count, nearest = best.indices.shape
    norms, piece_norms = np.sum(queries**2, axis=1), np.sum(piece**2, axis=1)
    near = squared_distances(queries, piece, norms, piece_norms)
    # Products are fast and say who may be among the nearest; differences are exact and say who is.
    limits = best.distances[:, -1]
    if len(piece) >= nearest:
        # The error of any one of the nearest is at most that of the largest norm.
        within = np.partition(near, nearest - 1, axis=1)[:, nearest - 1]
        limits = np.minimum(limits, within + rounding(norms + piece_norms.max(), queries.shape[1]))
    near -= rounding(piece_norms, queries.shape[1])
    limits = limits + rounding(norms, queries.shape[1])
    rows, columns = np.nonzero(near <= limits[:, None])
    distances = np.concatenate([best.distances.ravel(), _exact(queries, piece, rows, columns)])
    indices = np.concatenate([best.indices.ravel(), columns + offset])
    rows = np.concatenate([np.repeat(np.arange(count), nearest), rows])
    order = np.lexsort((indices, distances, rows))
    # Each row has `nearest` entries or more: the best so far, or infinity in their place.
    starts = np.searchsorted(rows[order], np.arange(count))
    chosen = order[starts[:, None] + np.arange(nearest)]
    return Neighbours(indices[chosen], distances[chosen])


def _exact(
    queries: np.ndarray, piece: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Squared distances of pairs by differences."""
    distances = np.empty(len(rows))
    pairs = max(1, _PAIR_VALUES // queries.shape[1])
    for start in range(0, len(rows), pairs):
        part = slice(start, start + pairs)
        difference = queries[rows[part]] - piece[columns[part]]
        distances[part] = np.einsum("nd,nd->n", difference, difference)
    return distances
