"""Grouped convolutions, in the form that is fast on each device.

| where | form |
|---|---|
| on a GPU; on a CPU without XLA; in exported files | `tf.nn.conv2d` |
| under XLA on a CPU, by `tfgan2.kernels`; where it has no gradients | `grouped_conv2d` |

XLA on a CPU computes a convolution with groups a hundred times as slowly as one without, and Keras
sends all of them through XLA.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import tensorflow as tf


def grouped_conv2d(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Computes `tf.nn.conv2d` with groups by one matrix multiplication for each of them.

    With "SAME" padding and stride 1, (B, H, W, C) to (B, H, W, N), gradients of any order, up to
    rounding. H and W must be known. The kernel has the shape (k, l, C / groups, N), k and l odd.
    """
    _, height, width, channels = images.shape
    rows, columns, size, filters = kernel.shape
    groups, above, left = channels // size, rows // 2, columns // 2
    with tf.name_scope("grouped_conv2d"):
        x = tf.reshape(images, (-1, height, width, groups, size))
        x = tf.transpose(x, (3, 0, 1, 2, 4))
        x = tf.pad(x, ((0, 0), (0, 0), (above, above), (left, left), (0, 0)))
        views = [
            x[:, :, row : row + height, column : column + width]
            for row in range(rows)
            for column in range(columns)
        ]
        patches = tf.reshape(tf.concat(views, axis=4), (groups, -1, rows * columns * size))
        kernel = tf.reshape(kernel, (rows * columns * size, groups, filters // groups))
        products = patches @ tf.transpose(kernel, (1, 0, 2))
        products = tf.reshape(products, (groups, -1, height, width, filters // groups))
        return tf.reshape(tf.transpose(products, (1, 2, 3, 0, 4)), (-1, height, width, filters))


@keras.saving.register_keras_serializable(package="tfgan2")
class GroupedConv2D(keras.layers.Conv2D):
    """Keras' layer with groups, an odd kernel, stride 1 and padding "same".

    On a CPU, Keras' `fit` compiles a model with such a layer without XLA.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.supports_jit = bool(tf.config.list_physical_devices("GPU"))

    def convolution_op(self, inputs: tf.Tensor, kernel: keras.Variable) -> tf.Tensor:
        kernel = tf.convert_to_tensor(kernel)
        if _has_gradients(inputs.dtype):
            return tf.nn.conv2d(inputs, kernel, 1, "SAME")
        return grouped_conv2d(inputs, kernel)


@cache
def _has_gradients(dtype: tf.DType) -> bool:
    """Whether TensorFlow differentiates `tf.nn.conv2d` with groups here: not on every CPU."""
    if tf.config.list_logical_devices("GPU"):
        return True
    with tf.init_scope():
        images, kernel = tf.ones((1, 3, 3, 4), dtype), tf.ones((3, 3, 2, 4), dtype)
        sizes, strides = tf.shape(images), [1, 1, 1, 1]
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=sizes,
                filter=kernel,
                out_backprop=images,
                strides=strides,
                padding="SAME",
            )
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
    return True
