"""Nearest training samples of generated ones: shows whether a generator memorised images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Neighbours(NamedTuple):
    """Nearest references of each query, nearest first, both of shape (N, count).

    Attributes:
        indices: int64, counted over all blocks of references.
        distances: Euclidean, float64.
    """

    indices: np.ndarray
    distances: np.ndarray


def nearest_neighbours(
    queries: np.ndarray, references: Iterable[np.ndarray], *, count: int = 1
) -> Neighbours:
    """Finds the nearest references of each query in blocks that are read once.

    Copies have a distance of exactly 0; equal distances are ordered by index.

    Args:
        queries: finite, shape (N, dim), N >= 1.
        references: finite blocks of shape (M, dim), for example from a generator. Memory
            grows with N times the largest M. Pass a single array as [array].
        count: neighbours of each query.

    Raises:
        ValueError: wrong shapes, values that are not finite, or fewer than `count` references.
    """
    from sklearn.metrics import pairwise_distances

    if count < 1:
        raise ValueError(f"at least 1 neighbour is needed, not {count}")
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
    return Neighbours(indices, np.sqrt(squares))
