"""Summaries of the real images, which are cached because they take the longest."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2.evaluation.by_class import ClassSummary
from tfgan2.evaluation.cache import CachedArrays
from tfgan2.evaluation.extractor import BANK_SIZE, Extracted, FeatureSummary
from tfgan2.evaluation.samples import Chunk
from tfgan2.metrics import nearest_neighbours

NEIGHBOURS = 6
"""Real images that are found for each query."""


class ReferenceCache:
    """The cached arrays of `FeatureSummary` and, with a hash of labels, of `ClassSummary`."""

    def __init__(self, directory: Path, key: Mapping[str, Any], classes: str | None) -> None:
        self._files = [CachedArrays(directory, "reference", key)]
        if classes is not None:
            key = {**key, "classes": classes}
            self._files.append(CachedArrays(directory, "reference-classes", key))

    def load(self) -> dict[str, np.ndarray] | None:
        """Returns all arrays, or None if some are missing."""
        found = [file.load() for file in self._files]
        if None in found:
            return None
        return {name: array for arrays in found if arrays for name, array in arrays.items()}

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Makes other processes of this machine wait, as `CachedArrays.locked`."""
        return self._files[0].locked()

    def save(self, *arrays: Mapping[str, np.ndarray]) -> None:
        for file, each in zip(self._files, arrays, strict=False):
            file.save(each)


def summarized(
    extracted: Callable[[], Iterable[tuple[Chunk, Extracted]]],
    count: int,
    cache: ReferenceCache,
    queries: np.ndarray | None,
    *,
    by_class: ClassSummary | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Summarizes the real images, from the cache or in one pass.

    Args:
        extracted: yields all `count` images with their features.
        cache: where the summary is, or will be.
        queries: features, shape (Q, dim), or None.
        by_class: an empty summary for each class, if the cache is to have it.

    Returns:
        The arrays of the summaries, and the indices of the `NEIGHBOURS` images nearest to each
        query, or None without queries.
    """
    number, known = min(NEIGHBOURS, count), cache.load()
    if known is None:
        with cache.locked():
            known = cache.load()
            if known is None:
                return _computed(extracted(), count, cache, queries, by_class)
    if queries is None:
        return known, None
    in_bank = count <= BANK_SIZE
    features = [known["bank"]] if in_bank else (each.features for _, each in extracted())
    return known, nearest_neighbours(queries, features, count=number)


def _computed(
    extracted: Iterable[tuple[Chunk, Extracted]],
    count: int,
    cache: ReferenceCache,
    queries: np.ndarray | None,
    by_class: ClassSummary | None,
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Computes and caches the summary; returns what `summarized` returns."""
    summary, nearest = FeatureSummary(count), None

    def features() -> Iterator[np.ndarray]:
        for chunk, each in extracted:
            summary.update(each)
            if by_class is not None and chunk.labels is not None:
                by_class.update(each.features, chunk.labels)
            yield each.features

    if queries is None:
        deque(features(), maxlen=0)
    else:
        nearest = nearest_neighbours(queries, features(), count=min(NEIGHBOURS, count))
    arrays, classes = summary.arrays(), by_class.arrays() if by_class else {}
    cache.save(arrays, classes)
    return {**arrays, **classes}, nearest
