"""Half precision: the losses of every flavour stay finite and close to float32."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
from helpers import batch_for, make_small, phases

from tfgan2 import registry
from tfgan2.nn.precision import precision

FLAVOURS = list(registry.flavours())
POLICIES = ("mixed_float16", "mixed_bfloat16")


@functools.cache
def losses(name: str, policy: str, steps: int) -> dict[str, np.ndarray]:
    """Losses of each step by name, with the same model, noise and images for every policy."""
    with precision(policy):
        model = make_small(name)
        model.compile()
    model.plan(steps)
    images = [tf.constant(part) for part in batch_for(model, 8)]
    batch = images if model.data_kind != "images" or model.label_names(["a"]) else images[0]
    found: dict[str, list[float]] = {}
    for phase in phases(model):
        model.phase = phase
        step = tf.function(model.train_step, autograph=False)
        for _ in range(steps // len(phases(model))):
            for key, value in step(batch).items():
                if key.endswith("loss"):
                    assert value.dtype == tf.float32, key
                    found.setdefault(key, []).append(float(value))
    return {key: np.array(values) for key, values in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "policy"), [(name, policy) for name in FLAVOURS for policy in POLICIES]
)
def test_the_first_steps(name: str, policy: str) -> None:
    full, half = losses(name, "float32", 6), losses(name, policy, 6)
    assert full.keys() == half.keys() and full
    for key, values in half.items():
        assert np.isfinite(values).all(), key
        # Only the first step: float16 may skip updates until it has found its scale, and dropout
        # draws other masks in half precision.
        assert abs(values[0] - full[key][0]) <= 0.2 * max(1.0, abs(full[key][0])), key


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", FLAVOURS)
def test_two_hundred_steps(name: str, policy: str) -> None:
    full, half = losses(name, "float32", 200), losses(name, policy, 200)
    for key, values in half.items():
        assert np.isfinite(values).all(), key
        # The game is chaotic: single steps drift apart, their averages must not.
        off = abs(values.mean() - full[key].mean())
        assert off <= 0.2 * max(1.0, np.abs(full[key]).mean()), (key, off)
