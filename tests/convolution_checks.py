"""Forms of convolutions beside TensorFlow's own, in float64: a wrong sum cannot hide there."""

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


def gradients(convolution: Convolution, given: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """What it makes of images and kernel, and the gradients of a loss for both."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        outputs = convolution(*given)
        loss = tf.reduce_sum(tf.sin(outputs))
    return [outputs, *tape.gradient(loss, given)]


def second_gradients(convolution: Convolution, given: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The same, and those of a penalty on the gradients."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        first = gradients(convolution, given)
        penalty = tf.add_n([tf.reduce_sum(part**2) for part in first[1:]])
    return [*first, *tape.gradient(penalty, given)]


def assert_same(found: list[tf.Tensor], expected: list[tf.Tensor]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert relative_error(ours, theirs) < 1e-12
