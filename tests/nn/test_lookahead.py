"""Trajectories against NumPy, and a bilinear game that converges with lookahead alone."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.nn.lookahead import Lookahead

START = np.array([1.0, -2.0, 0.5], np.float32)


def sgd(learning_rate: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda gradient: learning_rate * gradient


def adam(learning_rate: float) -> Callable[[np.ndarray], np.ndarray]:
    first, second, count = 0.0, 0.0, 0

    def step(gradient: np.ndarray) -> np.ndarray:
        nonlocal first, second, count
        count += 1
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        return (
            learning_rate
            * (first / (1 - 0.9**count))
            / (np.sqrt(second / (1 - 0.999**count)) + 1e-7)
        )

    return step


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    ("optimizer", "by_hand"), [(keras.optimizers.SGD, sgd), (keras.optimizers.Adam, adam)]
)
@pytest.mark.parametrize(("period", "ratio"), [(5, 0.5), (1, 0.8), (3, 1.0)])
def test_trajectory_against_numpy(optimizer, by_hand, period: int, ratio: float, jit: bool) -> None:
    variable = keras.Variable(START, name="x")
    lookahead, inner = Lookahead([variable], period, ratio), optimizer(0.1)
    inner.build([variable])
    steps = tf.Variable(0, dtype=tf.int64)

    @tf.function(jit_compile=jit)
    def train() -> None:
        inner.apply([3.0 * variable.value], [variable])  # of 1.5 x^2
        steps.assign_add(1)
        lookahead.update(steps.value())

    fast, slow = START.astype(np.float64), START.astype(np.float64)
    step = by_hand(0.1)  # in float64: the bias correction of Adam loses digits in float32
    for count in range(1, 13):
        train()
        fast = fast - step(3.0 * fast)
        if count % period == 0:
            slow = slow + ratio * (fast - slow)
            fast = slow
        np.testing.assert_allclose(variable.numpy(), fast, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(lookahead.variables[0].numpy(), slow, rtol=1e-4, atol=1e-5)


def distance_after(steps: int, period: int | None) -> float:
    """Distance from 0 after simultaneous gradient steps on min_x max_y x y, initially 1."""
    x, y = keras.Variable(0.6, name="x"), keras.Variable(0.8, name="y")
    lookahead = Lookahead([x, y], period) if period else None

    @tf.function(jit_compile=True)
    def play() -> None:
        for step in tf.range(1, steps + 1, dtype=tf.int64):
            old_x, old_y = tf.identity(x.value), tf.identity(y.value)
            x.assign(old_x - 0.1 * old_y)
            y.assign(old_y + 0.1 * old_x)
            if lookahead is not None:
                lookahead.update(step)

    play()
    return float(np.hypot(x.numpy(), y.numpy()))


def test_bilinear_game_converges_with_lookahead_only() -> None:
    turn = 1 + 0.1j  # one step as a complex number
    assert distance_after(1000, None) == pytest.approx(abs(turn) ** 1000, rel=1e-2)
    assert distance_after(1000, None) > 100
    assert distance_after(1000, 10) == pytest.approx(abs(0.5 + 0.5 * turn**10) ** 100, rel=1e-2)
    assert distance_after(1000, 10) < 1e-4


def test_the_state_is_the_slow_weights() -> None:
    layers = [keras.Variable(START, name="kernel"), keras.Variable(START * 2, name="kernel")]
    lookahead = Lookahead(layers, period=2)
    assert [v.name for v in lookahead.variables] == ["slow_000_kernel", "slow_001_kernel"]
    assert not lookahead.trainable_variables
    for slow, fast in zip(lookahead.variables, layers, strict=True):
        assert slow.dtype == "float32"
        assert all(slow is not variable for variable in layers)
        np.testing.assert_array_equal(slow.numpy(), fast.numpy())


def test_a_model_counts_its_weights_once() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    holder = keras.Model(model.inputs, model.outputs)
    holder.lookahead = Lookahead(model.trainable_variables, period=2)
    assert len(holder.variables) == 2 + 2
    assert len(holder.trainable_variables) == 2


def test_half_precision_variables_keep_float32_copies() -> None:
    variable = keras.Variable(START, dtype="float16")
    lookahead = Lookahead([variable], period=2)
    variable.assign(START + 0.001)
    lookahead.update(tf.constant(2, tf.int64))
    assert variable.dtype == "float16"
    (slow,) = lookahead.variables
    expected = (START + (START + 0.001).astype(np.float16).astype(np.float32)) / 2
    np.testing.assert_array_equal(slow.numpy(), expected)


def test_nothing_changes_between_synchronizations() -> None:
    variable = keras.Variable(START)
    lookahead = Lookahead([variable], period=3)
    variable.assign([np.inf, np.nan, 1e-30])
    for steps in (1, 2, 4):
        lookahead.update(tf.constant(steps, tf.int64))
    np.testing.assert_array_equal(variable.numpy(), np.array([np.inf, np.nan, 1e-30], np.float32))
    np.testing.assert_array_equal(lookahead.variables[0].numpy(), START)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"period": 0}, "period must be at least 1, not 0"),
        ({"period": 5, "ratio": 0.0}, "ratio must be above 0 and at most 1, not 0"),
        ({"period": 5, "ratio": 1.5}, "ratio must be above 0 and at most 1, not 1.5"),
        ({"period": 5, "ratio": float("nan")}, "not nan"),
    ],
)
def test_impossible_settings(settings: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Lookahead([keras.Variable(START)], **settings)
