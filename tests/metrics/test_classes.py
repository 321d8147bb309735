"""The inception score and counted modes against closed forms and SciPy's relative entropy."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.stats import entropy

from tfgan2.metrics import RunningInceptionScore, modes_found


def inception_score(given, *, splits=10):
    running = RunningInceptionScore(len(given), splits)
    running.update(given)
    return running.scores()


def probabilities(count, classes=10, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.2), count).astype(dtype)


def with_scipy(given, splits):
    scores = []
    for split in range(splits):
        part = given[split * len(given) // splits : (split + 1) * len(given) // splits]
        part = part.astype(np.float64)
        scores.append(np.exp(np.mean([entropy(row, part.mean(axis=0)) for row in part])))
    return np.mean(scores), np.std(scores)


@pytest.mark.parametrize(("count", "splits"), [(500, 10), (503, 10), (64, 1), (10, 10)])
def test_against_scipy(count, splits):
    given = probabilities(count)
    scores = inception_score(given, splits=splits)
    expected = with_scipy(given, splits)
    assert (scores.mean(), scores.std()) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_the_default_is_ten_splits():
    given = probabilities(200)
    running = RunningInceptionScore(200)
    running.update(given)
    np.testing.assert_array_equal(running.scores(), inception_score(given, splits=10))


def test_closed_forms():
    # Sure of each sample, and equally many of each class.
    assert inception_score(np.tile(np.eye(7), (20, 1)), splits=10) == pytest.approx(np.full(10, 7))
    # All samples alike, sure of them or not: exactly 1.
    for row in ([1.0, 0, 0], [0.2, 0.3, 0.5]):
        assert inception_score(np.tile(row, (50, 1)), splits=5).tolist() == [1.0] * 5
    # Half of the samples say nothing: their divergence is 0 here.
    half = np.vstack([np.eye(4), np.full((4, 4), 0.25)])
    assert inception_score(half, splits=1) == pytest.approx([2.0])


@pytest.mark.parametrize("splits", [1, 7])
def test_batches_are_as_good_as_all_at_once(splits):
    given = probabilities(3000, dtype=np.float64)
    running = RunningInceptionScore(3000, splits)
    for batch in np.split(given, [1, 1, 7, 2500]):
        running.update(batch)
    assert running.scores() == pytest.approx(inception_score(given, splits=splits), rel=1e-12)


def test_batches_take_constant_memory():
    running, batch = RunningInceptionScore(50_000), probabilities(5000, classes=100)
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(10):
            tracemalloc.reset_peak()
            running.update(batch)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[-1] <= peaks[1] + 2**14
    assert max(peaks) < 16 * 2**20  # all of them have 38 MiB in float64


def test_impossible_arguments():
    given = probabilities(20)
    with pytest.raises(ValueError, match="splits"):
        inception_score(given[:9])
    with pytest.raises(ValueError, match="splits"):
        inception_score(given, splits=0)
    with pytest.raises(ValueError, match="Expected 2D"):
        inception_score(given[0])
    with pytest.raises(ValueError, match="NaN"):
        inception_score(np.where(given > 0.5, np.nan, given))
    for wrong in (3 * given, np.log(given + 1e-9), np.tile([1.5, -0.5], (20, 1))):
        with pytest.raises(ValueError, match="sum to 1"):
            inception_score(wrong)
    running = RunningInceptionScore(30)
    running.update(given)
    with pytest.raises(ValueError, match="as before"):
        running.update(probabilities(4, classes=3))
    with pytest.raises(ValueError, match="at most 10 rows"):
        running.update(probabilities(11))
    with pytest.raises(ValueError, match="only 20 of 30"):
        running.scores()


def test_modes_against_scipy():
    labels = np.random.default_rng(0).geometric(0.01, 26_000) % 1000
    counts = np.bincount(labels, minlength=1000)
    found, divergence = modes_found(counts)
    assert found == (counts > 0).sum() < 1000
    assert divergence == pytest.approx(entropy(counts, np.ones(1000)), rel=1e-5)


def test_modes_in_closed_form():
    counts = np.zeros(1000, int)
    counts[0] = 9
    assert modes_found(counts) == (1, pytest.approx(np.log(1000)))
    counts[:500] = 9
    assert modes_found(counts) == (500, pytest.approx(np.log(2)))
    counts[:] = 9
    assert modes_found(counts) == (1000, pytest.approx(0, abs=1e-12))
    uneven = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert modes_found(np.array([3, 1])) == (2, pytest.approx(uneven))
    for modes in range(1, 60):
        assert modes_found(np.ones(modes, int))[1] >= 0


@pytest.mark.parametrize("counts", [[0.5, 0.5], [3, -1], np.ones((2, 2), int), 5, []])
def test_modes_of_what_is_no_count(counts):
    with pytest.raises(ValueError, match=r"whole numbers from 0, .*np\.bincount"):
        modes_found(counts)


def test_modes_of_no_samples():
    with pytest.raises(ValueError, match="at least 1 sample"):
        modes_found([0, 0])


def test_what_few_samples_do_to_the_divergence():
    counts = np.bincount(np.random.default_rng(1).integers(1000, size=26_000), minlength=1000)
    assert modes_found(counts)[1] == pytest.approx(999 / 52_000, rel=0.15)
