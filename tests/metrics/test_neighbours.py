"""Nearest references against SciPy's distances of all pairs."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tfgan2.metrics import nearest_neighbours


def features(count, dim=20, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    return (offset + rng.standard_normal((count, dim))).astype(np.float32)


def with_scipy(queries, references, nearest):
    distances = cdist(queries, references)
    indices = np.argsort(distances, axis=1, kind="stable")[:, :nearest]
    return indices, np.take_along_axis(distances, indices, axis=1)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("cuts", [[], [2, 2, 3, 900], [1500]])
def test_against_scipy(cuts, offset, count):
    queries, references = features(30, offset=offset), features(2500, seed=1, offset=offset)
    found = nearest_neighbours(queries, iter(np.split(references, cuts)), count=count)
    indices, distances = with_scipy(queries, references, count)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9)


def test_copies_are_found_at_zero():
    references = features(3000, offset=1e3)
    found = nearest_neighbours(references[[7, 2999]], np.split(references, 3), count=2)
    assert found.indices[:, 0].tolist() == [7, 2999]
    assert found.distances[:, 0].tolist() == [0.0, 0.0] and (found.distances[:, 1] > 0).all()


def test_equal_distances_are_in_order_of_the_index():
    references = np.tile(features(5), (500, 1))
    for blocks in ([references], np.split(references, [3, 1204])):
        found = nearest_neighbours(references[:5], blocks, count=3)
        assert found.indices.tolist() == [[index, index + 5, index + 10] for index in range(5)]
        assert not found.distances.any()
    grid = np.stack(np.mgrid[:12, :12], axis=-1).reshape(-1, 2)
    found = nearest_neighbours(grid, np.array_split(grid, 7), count=6)
    np.testing.assert_array_equal(found.indices, with_scipy(grid, grid, 6)[0])


def test_blocks_take_constant_memory():
    """The references have 156 MiB in float64."""
    queries, block = features(20, dim=512), features(4000, dim=512, seed=1)
    tracemalloc.start()
    try:
        found = nearest_neighbours(queries, (block + 0.1 * step for step in range(10)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.indices.max() < 40_000
    assert peak < 60 * 2**20


def test_impossible_arguments():
    queries = features(3)
    with pytest.raises(ValueError, match="3 neighbours need at least 3 references, not 2"):
        nearest_neighbours(queries, [queries[:1], queries[1:2]], count=3)
    with pytest.raises(ValueError, match="Expected 2D"):
        nearest_neighbours(queries, queries)
    with pytest.raises(ValueError, match="Incompatible dimension"):
        nearest_neighbours(queries, [queries[:, :5]])
    with pytest.raises(ValueError, match="NaN"):
        nearest_neighbours(queries, [queries * np.nan])
    with pytest.raises(ValueError, match="at least 1"):
        nearest_neighbours(queries, [queries], count=0)
