"""Losses of classes against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn.class_losses import data_to_data_cross_entropy


def units(count: int, size: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_data_to_data_cross_entropy_by_hand(dtype: str) -> None:
    labels = np.array([0, 1, 1, 2, 0, 1])
    f, v = units(6, 4, 0), units(3, 4, 1)[labels]
    f, v = (tf.cast(x, dtype).numpy().astype(np.float64) for x in (f, v))
    total = 0.0
    for i in range(6):
        positive = np.exp(min(f[i] @ v[i] - 0.7, 0.0) / 0.4)
        others = [f[i] @ f[j] for j in range(6) if labels[j] != labels[i]]
        negatives = sum(np.exp(max(product - 0.3, 0.0) / 0.4) for product in others)
        total -= np.log(positive / (positive + negatives)) / 6
    loss = data_to_data_cross_entropy(
        tf.cast(f, dtype), tf.cast(v, dtype), tf.constant(labels), temperature=0.4, margin=0.7
    )
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(total, abs=1e-5)


def test_one_class_alone_costs_nothing() -> None:
    f, v = units(4, 3, 0), units(4, 3, 1)
    with tf.GradientTape() as tape:
        variable = tf.Variable(f)
        loss = data_to_data_cross_entropy(variable, v, tf.zeros(4, tf.int32))
    assert float(loss) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, variable), np.zeros_like(f))


def test_no_gradient_beyond_the_margins() -> None:
    """An image on its class and across from the others is left alone."""
    f = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    labels = tf.constant([0, 1])
    with tf.GradientTape() as tape:
        variable = tf.Variable(f)
        loss = data_to_data_cross_entropy(variable, tf.constant(f), labels, margin=0.98)
    np.testing.assert_array_equal(tape.gradient(loss, variable), np.zeros_like(f))
    assert float(loss) == pytest.approx(np.log(2.0), abs=1e-6)
