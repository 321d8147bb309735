"""Nearest references against SciPy, and PRDC against the package prdc of its authors."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from prdc import compute_prdc
from scipy.spatial.distance import cdist

from tfgan2.metrics import nearest_neighbours, neighbours, prdc


def features(count, dim=8, seed=0, scale=1.0, offset=0.0):
    rng = np.random.default_rng(seed)
    return (offset + scale * rng.standard_normal((count, dim))).astype(np.float32)


def with_scipy(queries, references, nearest):
    return np.argsort(cdist(queries, references), axis=1, kind="stable")[:, :nearest]


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("cuts", [[], [2, 2, 3, 900], [1500]])
def test_against_scipy(cuts, offset, count):
    queries, references = features(30, offset=offset), features(2500, seed=1, offset=offset)
    found = nearest_neighbours(queries, iter(np.split(references, cuts)), count=count)
    np.testing.assert_array_equal(found, with_scipy(queries, references, count))


def test_an_array_is_one_block():
    queries, references = features(3), features(40, seed=1)
    found = nearest_neighbours(queries, references, count=2)
    np.testing.assert_array_equal(found, with_scipy(queries, references, 2))


def test_copies_are_nearest():
    references = features(3000, offset=1e3)
    found = nearest_neighbours(references[[7, 2999]], np.split(references, 3), count=2)
    assert found[:, 0].tolist() == [7, 2999]


def test_equal_distances_are_in_order_of_the_index():
    references = np.tile(features(5), (500, 1))
    for blocks in ([references], np.split(references, [3, 1204])):
        found = nearest_neighbours(references[:5], blocks, count=3)
        assert found.tolist() == [[index, index + 5, index + 10] for index in range(5)]
    grid = np.stack(np.mgrid[:12, :12], axis=-1).reshape(-1, 2)
    found = nearest_neighbours(grid, np.array_split(grid, 7), count=6)
    np.testing.assert_array_equal(found, with_scipy(grid, grid, 6))


def test_blocks_take_constant_memory():
    """The references have 156 MiB in float64."""
    queries, block = features(20, dim=512), features(4000, dim=512, seed=1)
    tracemalloc.start()
    try:
        found = nearest_neighbours(queries, (block + 0.1 * step for step in range(10)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.max() < 40_000
    assert peak < 60 * 2**20


def test_impossible_arguments():
    queries = features(3)
    with pytest.raises(ValueError, match="3 neighbours need at least 3 references, not 2"):
        nearest_neighbours(queries, [queries[:1], queries[1:2]], count=3)
    with pytest.raises(ValueError, match="Expected 2D"):
        nearest_neighbours(queries, queries[0])
    with pytest.raises(ValueError, match="Incompatible dimension"):
        nearest_neighbours(queries, [queries[:, :5]])
    with pytest.raises(ValueError, match="NaN"):
        nearest_neighbours(queries, [queries * np.nan])
    with pytest.raises(ValueError, match="at least 1"):
        nearest_neighbours(queries, [queries], count=0)


def with_differences(real, made, nearest):
    """The definitions, with no rounding where distances are equal."""

    def distances(one, other):
        return ((one[:, None].astype(np.float64) - other[None]) ** 2).sum(axis=2)

    def radii(one):
        return np.sort(distances(one, one), axis=1)[:, nearest]  # the first is the sample itself

    between = distances(real, made)
    inside = between < radii(real)[:, None]
    recalled = (between < radii(made)).any(axis=1)
    return (
        inside.any(axis=0).mean(),
        recalled.mean(),
        inside.sum() / nearest / len(made),
        inside.any(axis=1).mean(),
    )


@pytest.mark.parametrize("nearest", [1, 3, 5])
@pytest.mark.parametrize(
    ("counts", "dim", "scale", "offset"),
    [
        ((300, 200), 8, 0.7, 0.3),
        ((150, 400), 3, 1.5, 0.0),
        ((40, 40), 112, 1.02, 0.0),  # fewer samples than dimensions
        ((200, 200), 2, 1.0, 50.0),  # far apart: nothing is inside
    ],
)
def test_against_the_authors(counts, dim, scale, offset, nearest):
    real = features(counts[0], dim)
    made = features(counts[1], dim, seed=1, scale=scale, offset=offset)
    # In float64: the package works in the type that it is given.
    expected = compute_prdc(real.astype(np.float64), made.astype(np.float64), nearest)
    assert prdc(real, made, neighbours=nearest)._asdict() == pytest.approx(expected, abs=1e-6)


def test_prdc_blocks_do_not_matter(monkeypatch):
    real, made = features(301, seed=2), features(257, seed=3, scale=0.8)
    whole = prdc(real, made)
    assert 0 < whole.recall < whole.precision < 1
    monkeypatch.setattr(neighbours, "_CHUNK_MIB", 2**-6)
    assert prdc(real, made) == whole
    shuffled = np.random.default_rng(0).permutation(len(real))
    assert prdc(real[shuffled], made[::-1]) == whole


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_prdc_identical_sets(offset):
    """Each ball holds its centre and the neighbours before the last: exactly `nearest`."""
    real = features(250, offset=offset)
    assert prdc(real, real.copy()) == (1.0, 1.0, 1.0, 1.0)


def test_prdc_duplicates():
    some = features(60, dim=5, offset=7.0)
    # Three copies of each; then six, where radii are 0 and nothing is inside.
    for real, made in (
        (np.tile(some, (3, 1)), some),
        (some, np.tile(some[:9], (3, 1))),
        (np.tile(some, (6, 1)), some),
        (some, np.tile(some[:1], (60, 1))),  # one image only
    ):
        assert prdc(real, made) == pytest.approx(with_differences(real, made, 5), abs=1e-12)
    assert prdc(np.tile(some, (6, 1)), some)[:1] == (0.0,)
    constant = np.full((20, 4), 0.1)
    assert prdc(constant, constant) == (0.0, 0.0, 0.0, 0.0)


def test_prdc_distances_that_are_equal():
    """On a grid nearly all are."""
    grid = np.stack(np.mgrid[:9, :9], axis=-1).reshape(-1, 2) / 8
    for made in (grid, grid[::2], grid + 1 / 8, grid + 1 / 16):
        assert prdc(grid, made) == pytest.approx(with_differences(grid, made, 5), abs=1e-12)


def test_prdc_memory_is_bounded():
    """The distances of 5,000 x 5,000 have 191 MiB."""
    real, made = features(5000, 4), features(5000, 4, seed=1)
    tracemalloc.start()
    try:
        prdc(real, made)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * 2**20


def test_prdc_impossible_arguments():
    real = features(20)
    for one, other in ((real, real[:5]), (real[:5], real)):
        with pytest.raises(ValueError, match=r"fewer than the \d+ real and \d+ generated .* not 5"):
            prdc(one, other)
    prdc(real, real[:6])
    with pytest.raises(ValueError, match="Incompatible dimension"):
        prdc(real, real[:, :3])
    with pytest.raises(ValueError, match="infinity"):
        prdc(np.where(real > 1, np.inf, real), real)
    with pytest.raises(ValueError, match="at least 1"):
        prdc(real, real, neighbours=0)
