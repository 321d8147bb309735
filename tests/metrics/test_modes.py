"""Counted modes against closed forms and SciPy's relative entropy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from tfgan2.metrics import modes_found


def test_modes_against_scipy():
    labels = np.random.default_rng(0).geometric(0.01, 26_000) % 1000
    counts = np.bincount(labels, minlength=1000)
    found, divergence = modes_found(labels, 1000)
    assert found == (counts > 0).sum() < 1000
    assert divergence == pytest.approx(entropy(counts, np.ones(1000)), rel=1e-5)


def test_modes_in_closed_form():
    assert modes_found(np.arange(1000), 1000) == (1000, pytest.approx(0, abs=1e-12))
    assert modes_found(np.zeros(9, int), 1000) == (1, pytest.approx(np.log(1000)))
    assert modes_found(np.arange(500), 1000) == (500, pytest.approx(np.log(2)))
    assert modes_found(np.array([0, 0, 0, 1]), 2) == (
        2,
        pytest.approx(0.75 * np.log(1.5) + 0.25 * np.log(0.5)),
    )
    for modes in range(1, 60):
        assert modes_found(np.arange(modes), modes).divergence >= 0


def test_what_few_samples_do_to_the_divergence():
    labels = np.random.default_rng(1).integers(1000, size=26_000)
    assert modes_found(labels, 1000).divergence == pytest.approx(999 / 52_000, rel=0.15)


def test_impossible_labels():
    for labels in ([-1, 0], [0, 3], [0.0, 1.0]):
        with pytest.raises(ValueError, match="from 0 to 2"):
            modes_found(np.array(labels), 3)
    for labels in (np.zeros(0, int), np.zeros((2, 2), int)):
        with pytest.raises(ValueError, match="shape"):
            modes_found(labels, 1000)
