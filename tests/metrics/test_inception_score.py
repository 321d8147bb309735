"""The inception score against SciPy's relative entropy."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.stats import entropy

from tfgan2.metrics import RunningInceptionScore, inception_score


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
    made = inception_score(given, splits=splits)
    assert made == pytest.approx(with_scipy(given, splits), rel=1e-5, abs=1e-9)


def test_the_default_is_ten_splits():
    given = probabilities(200)
    assert inception_score(given) == inception_score(given, splits=10)


def test_closed_forms():
    # Sure of each sample, and equally many of each class.
    assert inception_score(np.tile(np.eye(7), (20, 1)), splits=10).mean == pytest.approx(7)
    # All samples alike, sure of them or not: exactly 1.
    for row in ([1.0, 0, 0], [0.2, 0.3, 0.5]):
        assert inception_score(np.tile(row, (50, 1)), splits=5) == (1.0, 0.0)
    # Half of the samples say nothing: their divergence is 0 here.
    half = np.vstack([np.eye(4), np.full((4, 4), 0.25)])
    assert inception_score(half, splits=1).mean == pytest.approx(2.0)


def test_batches_are_as_good_as_all_at_once():
    given = probabilities(3000, dtype=np.float64)
    running = RunningInceptionScore()
    for batch in np.split(given, [1, 1, 7, 2500]):
        running.update(batch)
    assert running.count == 3000
    assert running.score() == pytest.approx(inception_score(given, splits=1).mean, rel=1e-12)


def test_batches_take_constant_memory():
    running, batch = RunningInceptionScore(), probabilities(5000, classes=100)
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(10):
            tracemalloc.reset_peak()
            running.update(batch)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert running.count == 50_000
    assert peaks[-1] <= peaks[1] + 2**14
    assert max(peaks) < 5 * 2**20  # all of them have 19 MiB


def test_impossible_arguments():
    given = probabilities(20)
    with pytest.raises(ValueError, match="splits"):
        inception_score(given[:9])
    with pytest.raises(ValueError, match="splits"):
        inception_score(given, splits=0)
    with pytest.raises(ValueError, match="shape"):
        inception_score(given[0])
    with pytest.raises(ValueError, match="finite"):
        inception_score(np.where(given > 0.5, np.nan, given))
    for wrong in (3 * given, np.log(given + 1e-9), np.tile([1.5, -0.5], (20, 1))):
        with pytest.raises(ValueError, match="sum up to 1"):
            inception_score(wrong)
    running = RunningInceptionScore()
    with pytest.raises(ValueError, match="at least 1"):
        running.score()
    running.update(given)
    with pytest.raises(ValueError, match="as before"):
        running.update(probabilities(4, classes=3))
