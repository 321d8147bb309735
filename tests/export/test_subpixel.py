"""Transposed convolutions by phases."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.export import subpixel

layers = keras.layers


@pytest.mark.parametrize(("size", "stride"), [(4, 2), (2, 2), (6, 2), (6, 3), (3, 3), (8, 4)])
def test_same_sums(size, stride):
    rng = np.random.default_rng(size)
    inputs = rng.standard_normal((2, 5, 7, 3)).astype(np.float32)
    kernel = rng.standard_normal((size, size, 4, 3)).astype(np.float32)
    wanted = tf.nn.conv2d_transpose(inputs, kernel, (2, 5 * stride, 7 * stride, 4), stride, "SAME")
    made = subpixel.conv_transpose(inputs, kernel, stride)
    np.testing.assert_allclose(made, wanted, atol=1e-4)


def network():
    z = keras.Input((4, 4, 3))
    x = layers.Conv2DTranspose(5, 4, 2, padding="same", activation="relu")(z)
    x = layers.SpectralNormalization(layers.Conv2DTranspose(6, 4, 2, padding="same"))(x)
    inner = keras.Input(x.shape[1:])
    y = layers.Conv2DTranspose(2, 2, 2, padding="same", use_bias=False)(inner)
    return keras.Model(z, keras.Model(inner, y)(x))


def test_within_the_block_only():
    model = network()
    for layer in subpixel.replaceable(model):
        layer.kernel.assign(np.random.default_rng(0).standard_normal(layer.kernel.shape))
        if layer.use_bias:
            layer.bias.assign(np.arange(layer.filters))
    assert len(subpixel.replaceable(model)) == 3  # also wrapped and nested layers
    x = np.random.default_rng(1).standard_normal((2, 4, 4, 3)).astype(np.float32)
    wanted = model(x, training=False)

    def operators():
        graph = (
            tf.function(lambda x: model(x, training=False))
            .get_concrete_function(tf.TensorSpec((1, 4, 4, 3)))
            .graph
        )
        return {operator.type for operator in graph.get_operations()}

    with subpixel.rewritten(model):
        inside = operators()
        made = model(x, training=False)
    np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-4)
    assert "DepthToSpace" in inside and "Conv2DBackpropInput" not in inside
    assert "DepthToSpace" not in operators() and "Conv2DBackpropInput" in operators()


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3},
        {"kernel_size": 5},
        {"strides": 1},
        {"padding": "valid"},
        {"strides": (2, 1)},
        {"kernel_size": (4, 2)},
    ],
)
def test_others_stay_as_they_are(settings):
    settings = {"kernel_size": 4, "strides": 2, "padding": "same", **settings}
    model = keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2DTranspose(2, **settings)])
    assert subpixel.replaceable(model) == []
