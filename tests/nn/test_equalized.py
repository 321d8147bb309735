"""Layers with equalized learning rate against their formulas."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn.equalized import EqualizedConv2D, EqualizedDense
from tfgan2.nn.resampling import blur

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def test_dense_scales_its_weights() -> None:
    layer, x = EqualizedDense(5, gain=1.5, learning_rate=0.01), normal(4, 6)
    layer.build(x.shape)
    kernel, bias = normal(6, 5), normal(5)
    layer.set_weights([kernel, bias])
    expected = 0.015 * (x @ kernel / np.sqrt(6) + bias)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_a_learning_rate_scales_the_gradient_of_outputs() -> None:
    # Adam's steps have one size: so the outputs change by that much less.
    x = normal(200, 6)
    changes = []
    for rate in (1.0, 0.01):
        start = keras.initializers.RandomNormal(stddev=1 / rate, seed=1)
        layer = EqualizedDense(5, learning_rate=rate, kernel_initializer=start)
        before = layer(x)
        layer.kernel.assign_add(0.1 * np.ones((6, 5), np.float32))
        changes.append(np.abs(layer(x) - before).max())
        assert np.std(before) == pytest.approx(1.0, abs=0.5)
    assert changes[1] == pytest.approx(0.01 * changes[0], rel=1e-2)


@pytest.mark.parametrize("size", [1, 3])
def test_convolution_scales_its_weights(size: int) -> None:
    layer, x = EqualizedConv2D(5, size, gain=1.5), normal(2, 6, 4, 3)
    layer.build(x.shape)
    kernel, bias = normal(size, size, 3, 5), normal(5)
    layer.set_weights([kernel, bias])
    plain = tf.nn.conv2d(x, kernel / np.sqrt(size * size * 3), 1, "SAME")
    np.testing.assert_allclose(layer(x), 1.5 * (plain + bias), atol=1e-5)


@pytest.mark.parametrize("size", [1, 3])
def test_downsampling_filters_before_the_stride(size: int) -> None:
    layer, x = EqualizedConv2D(5, size, downsample=True, use_bias=False), normal(2, 6, 4, 3)
    outputs = layer(x)
    assert outputs.shape == (2, 3, 2, 5) == layer.compute_output_shape(x.shape)
    kernel = layer.kernel.numpy() / np.sqrt(size * size * 3)
    pad = size // 2 + 1
    expected = tf.nn.conv2d(blur(tf.constant(x), (pad, pad)), kernel, 2, "VALID")
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
