"""Every loss through one set of checks: golden value, dtype, patch-shaped input, extreme logits."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfgan2 import losses

REAL = np.array([1.5, -0.5, 0.25, 3.0], np.float32)
FAKE = np.array([-1.0, 0.75, 2.0, -2.5], np.float32)


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0.0, -x.astype(np.float64))


def cross_entropy(logits: np.ndarray, target: float) -> float:
    return float(-np.mean(target * log_sigmoid(logits) + (1 - target) * log_sigmoid(-logits)))


CASES = {
    "minimax_discriminator": (
        losses.minimax_discriminator_loss,
        (REAL, FAKE),
        cross_entropy(REAL, 1.0) + cross_entropy(FAKE, 0.0),
    ),
    "minimax_discriminator_smoothed": (
        lambda real, fake: losses.minimax_discriminator_loss(real, fake, label_smoothing=0.1),
        (REAL, FAKE),
        cross_entropy(REAL, 0.9) + cross_entropy(FAKE, 0.0),
    ),
    "non_saturating_generator": (
        losses.non_saturating_generator_loss,
        (FAKE,),
        cross_entropy(FAKE, 1.0),
    ),
    "sigmoid_cross_entropy": (
        lambda logits: losses.sigmoid_cross_entropy(logits, 0.3),
        (FAKE,),
        cross_entropy(FAKE, 0.3),
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> tuple:
    return request.param


@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 2, 2, 1)])
def test_golden_value_in_any_shape(case: tuple, shape: tuple[int, ...]) -> None:
    loss, logits, expected = case
    value = loss(*(tf.reshape(item, shape) for item in logits))
    assert value.shape == ()
    assert float(value) == pytest.approx(expected, abs=1e-5)


def test_float16_in_float32_out(case: tuple) -> None:
    loss, logits, expected = case
    value = loss(*(tf.constant(item, tf.float16) for item in logits))
    assert value.dtype == tf.float32
    assert float(value) == pytest.approx(expected, abs=1e-5)


def test_gradients_are_finite_at_extreme_logits(case: tuple) -> None:
    loss, logits, _ = case
    variables = [tf.Variable(np.sign(item) * 1e4, dtype=tf.float32) for item in logits]
    with tf.GradientTape() as tape:
        value = loss(*variables)
    assert np.isfinite(float(value))
    for gradient in tape.gradient(value, variables):
        assert np.isfinite(gradient.numpy()).all()
        assert np.abs(gradient.numpy()).max() > 0
