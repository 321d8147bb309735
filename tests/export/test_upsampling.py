"""Upsampling by TFLite's own operator."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tfgan2.export import upsampling

layers = keras.layers


def test_the_same_pixels_within_the_block_only() -> None:
    image = keras.Input((None, 3, 2))
    inner = keras.Sequential([layers.UpSampling2D((2, 3))])
    x = layers.UpSampling2D(2, interpolation="bilinear")(inner(image))
    model = keras.Model(image, x)
    values = np.random.default_rng(0).standard_normal((2, 5, 3, 2)).astype(np.float32)
    expected = model(values)

    def operators() -> set[str]:
        function = tf.function(lambda x: inner(x)).get_concrete_function(
            tf.TensorSpec((1, None, 3, 2))
        )
        return {operator.type for operator in function.graph.get_operations()}

    assert "ResizeNearestNeighbor" not in operators()
    with upsampling.rewritten(model):
        assert "ResizeNearestNeighbor" in operators()
        np.testing.assert_array_equal(model(values), expected)
    assert "ResizeNearestNeighbor" not in operators()
