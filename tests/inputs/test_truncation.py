from __future__ import annotations

import math

import numpy as np
import pytest

from tfgan2.errors import UserError
from tfgan2.inputs.latents import draw_latents
from tfgan2.inputs.truncation import LATENTS, STYLES, truncated, truncated_inputs


@pytest.mark.parametrize("threshold", [0.04, 0.5, 2.0])
def test_truncated_latents_have_the_truncated_distribution(threshold: float) -> None:
    latents = draw_latents(400, 50, seed=1)
    found = truncated(latents, threshold)
    assert found.shape == (400, 50) and found.dtype == np.float32
    assert np.abs(found).max() <= threshold
    normal = np.random.default_rng(2).standard_normal(3_000_000)
    redrawn = normal[np.abs(normal) < threshold][:60_000]
    for share in (0.1, 0.3, 0.7, 0.9):
        expected = np.quantile(redrawn, share)
        assert abs(np.quantile(found, share) - expected) < 0.03 * threshold
    # Order and sign stay; each depends on its own latent alone.
    np.testing.assert_array_equal(np.argsort(found[0]), np.argsort(latents[0]))
    np.testing.assert_allclose(truncated(-latents, threshold), -found, atol=1e-6)
    np.testing.assert_array_equal(truncated(latents[:3], threshold), found[:3])


def test_truncation_far_away_changes_nothing() -> None:
    latents = draw_latents(10, 8)
    np.testing.assert_allclose(truncated(latents, 8.0), latents, atol=1e-6)
    assert not truncated(latents, 0.0).any()
    np.testing.assert_array_equal(truncated(np.array([[-40.0, 40.0]]), 1.0), [[-1.0, 1.0]])


def test_inputs_of_each_kind() -> None:
    inputs = {"z": draw_latents(3, 4), "label": np.array([0, 1, 2])}
    styles = truncated_inputs(inputs, STYLES, 0.7)
    np.testing.assert_array_equal(styles["truncation"], np.full(3, 0.7, np.float32))
    assert styles["truncation"].dtype == np.float32
    np.testing.assert_array_equal(styles["z"], inputs["z"])
    np.testing.assert_array_equal(truncated_inputs(inputs, STYLES, None)["truncation"], 1.0)
    latents = truncated_inputs(inputs, LATENTS, 0.7)
    np.testing.assert_array_equal(latents["z"], truncated(inputs["z"], 0.7))
    assert latents.keys() == inputs.keys() and latents["label"] is inputs["label"]
    for of in (LATENTS, ""):
        np.testing.assert_array_equal(truncated_inputs(inputs, of, None)["z"], inputs["z"])


@pytest.mark.parametrize(
    ("of", "truncation", "message"),
    [
        ("", 0.7, "has no truncation"),
        (STYLES, -0.1, "at least 0, not -0.1"),
        (LATENTS, math.nan, "at least 0, not nan"),
        (LATENTS, math.inf, "at least 0, not inf"),
    ],
)
def test_refused(of: str, truncation: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        truncated_inputs({"z": draw_latents(1, 2)}, of, truncation)
