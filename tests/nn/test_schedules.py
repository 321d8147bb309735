"""Schedules over the planned steps, against NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn.optimizers import with_scheduled_beta_2
from tfgan2.nn.schedules import Cosine, LinearDecay, cosine, decay_of, half_life_of

PROGRESS = np.array([-0.5, 0.0, 0.1, 0.25, 0.5, 0.9, 1.0, 3.0])


@pytest.mark.parametrize("compiled", [False, True])
def test_half_a_cosine(compiled: bool) -> None:
    half = 0.5 - 0.5 * np.cos(np.pi * np.clip(PROGRESS, 0, 1))
    function = tf.function(cosine, jit_compile=compiled)
    values = function(2e-4, 5e-5, tf.constant(PROGRESS))
    assert values.dtype == tf.float32
    np.testing.assert_allclose(values, 2e-4 - 1.5e-4 * half, rtol=1e-5)
    np.testing.assert_allclose(function(0.9, 0.99, tf.constant(PROGRESS)), 0.9 + 0.09 * half, 1e-5)


def test_the_planned_steps_may_change() -> None:
    planned = 10
    schedule = Cosine(1.0, 0.25, lambda: planned)
    assert [float(schedule(step)) for step in (0, 5, 10, 20)] == pytest.approx(
        [1, 0.625, 0.25, 0.25]
    )
    planned = 20
    assert float(schedule(tf.constant(10, tf.int64))) == pytest.approx(0.625)
    linear = LinearDecay(1.0, lambda: planned, 0.5)
    assert [float(linear(step)) for step in (0, 10, 15, 20)] == pytest.approx([1, 1, 0.5, 0])


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999, 0.9999])
def test_half_life_and_decay(decay: float) -> None:
    assert float(decay_of(half_life_of(decay))) == pytest.approx(decay, abs=1e-6)
    assert decay ** half_life_of(decay) == pytest.approx(0.5)


def test_half_lives_at_the_ends() -> None:
    assert half_life_of(0.0) == 0.0 and float(decay_of(0.0)) == 0.0
    # An average that never forgets would stay at the initial weights.
    assert half_life_of(1.0) > 1e8


@pytest.mark.parametrize("kind", [keras.optimizers.Adam, keras.optimizers.AdamW])
def test_adam_with_a_schedule_of_beta_2(kind: type) -> None:
    schedule = Cosine(0.9, 0.99, lambda: 3)
    weight, other = keras.Variable([1.0, -2.0]), keras.Variable([1.0, -2.0])
    settings = {"beta_1": 0.0, "epsilon": 1e-8, "weight_decay": 0.01}
    scheduled = with_scheduled_beta_2(kind)(0.1, beta_2=schedule, **settings)
    scheduled.build([weight])
    mean, expected = np.zeros(2), np.array([1.0, -2.0])
    rng = np.random.default_rng(0)
    step = tf.function(lambda gradient: scheduled.apply([gradient], [weight]))
    for index in range(5):
        gradient = rng.normal(size=2).astype(np.float32)
        step(tf.constant(gradient))
        beta = 0.945 - 0.045 * np.cos(np.pi * min(index / 3, 1))
        mean = beta * mean + (1 - beta) * gradient**2
        expected = expected * (1 - 0.01 * 0.1)
        expected -= 0.1 * gradient / (np.sqrt(mean / (1 - beta ** (index + 1))) + 1e-8)
    np.testing.assert_allclose(weight.numpy(), expected, atol=1e-5)
    # A number is Adam as ever.
    for optimizer, variable in ((kind, weight), (with_scheduled_beta_2(kind), other)):
        variable.assign([1.0, -2.0])
        optimizer(0.1, beta_2=0.9, **settings).apply([tf.constant([0.5, 1.0])], [variable])
    np.testing.assert_array_equal(weight.numpy(), other.numpy())
