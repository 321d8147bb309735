import keras
import numpy as np
import pytest
import tensorflow as tf
from convolution_checks import assert_same, numbers, second_gradients

from tfgan2.kernels import depthwise
from tfgan2.kernels.rewriting import rewritten

# (height, width, channels, kernel, stride): taps that never meet the image, odd and even edges.
SHAPES = [
    (8, 8, 3, (3, 3), 1),
    (8, 6, 3, (5, 5), 1),
    (7, 9, 2, (3, 3), 2),
    (8, 8, 2, (5, 5), 2),
    (2, 2, 4, (5, 5), 2),
    (1, 1, 4, (5, 5), 1),
    (1, 3, 4, (3, 3), 2),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_and_its_gradients_to_the_second_order(shape: tuple) -> None:
    height, width, channels, kernel, stride = shape
    inputs = [numbers(3, height, width, channels), numbers(*kernel, channels, 1, seed=1)]

    def tensorflow(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        return tf.nn.depthwise_conv2d(x, w, (1, stride, stride, 1), "SAME")

    assert_same(
        second_gradients(lambda x, w: depthwise.conv2d(x, w, stride), inputs),
        second_gradients(tensorflow, inputs),
    )


def test_layers_are_rewritten() -> None:
    layer = keras.layers.DepthwiseConv2D(
        3, 2, padding="same", activation="relu", bias_initializer="ones"
    )
    image = keras.Input((7, 7, 4))
    network = keras.Model(image, layer(image))
    images = np.random.default_rng(0).normal(size=(2, 7, 7, 4)).astype(np.float32)
    before = network(images)
    with rewritten([network], convolutions=True):
        assert type(layer) is not keras.layers.DepthwiseConv2D
        after = network(images)
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)
    other = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)
    network = keras.Model(image, other(image))
    with rewritten([network], convolutions=True):
        assert type(other) is keras.layers.DepthwiseConv2D
