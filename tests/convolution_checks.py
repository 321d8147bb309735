"""Compares forms of convolutions with TensorFlow's own in float64, so rounding hides no error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

Convolution = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def numbers(*shape: int, seed: int = 0) -> tf.Tensor:
    return tf.constant(np.random.RandomState(seed).normal(size=shape), tf.float64)


def relative_error(found: tf.Tensor, expected: tf.Tensor) -> float:
    assert found.shape == expected.shape
    return float(tf.reduce_max(tf.abs(found - expected)) / tf.reduce_max(tf.abs(expected)))


def gradients(convolution: Convolution, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the outputs, and the gradients of a loss for images and kernel."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = convolution(*inputs)
        loss = tf.reduce_sum(tf.sin(outputs))
    return [outputs, *tape.gradient(loss, inputs)]


def second_gradients(convolution: Convolution, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the same, and the gradients of a penalty on the gradients."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        first = gradients(convolution, inputs)
        penalty = tf.add_n([tf.reduce_sum(part**2) for part in first[1:]])
    return [*first, *tape.gradient(penalty, inputs)]


def assert_same(found: list[tf.Tensor], expected: list[tf.Tensor]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert relative_error(ours, theirs) < 1e-12
