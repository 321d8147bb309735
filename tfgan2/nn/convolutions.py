"""Grouped and depthwise convolutions.

XLA on a CPU computes a convolution with groups a hundred times as slowly as one without, and Keras
sends all of them through XLA. TensorFlow's own kernels are fast, also in their gradients of any
order. On a CPU, a model with such a layer is compiled without XLA, by Keras and by
`tfgan2.kernels`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import tensorflow as tf


def one_by_one(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Computes `tf.nn.conv2d` with groups by a convolution for each group.

    With "SAME" padding and stride 1, (B, H, W, C) to (B, H, W, N). The kernel has the shape
    (k, l, C / groups, N).
    """
    groups = images.shape[3] // kernel.shape[2]
    pairs = zip(tf.split(images, groups, 3), tf.split(kernel, groups, 3), strict=True)
    return tf.concat([tf.nn.conv2d(*pair, 1, "SAME") for pair in pairs], 3)


@keras.saving.register_keras_serializable(package="tfgan2")
class GroupedConv2D(keras.layers.Conv2D):
    """Keras' layer with groups, stride 1 and padding "same", by TensorFlow's own kernel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.supports_jit = _xla_is_fast()

    def convolution_op(self, inputs: tf.Tensor, kernel: keras.Variable) -> tf.Tensor:
        kernel = tf.convert_to_tensor(kernel)
        if _has_gradients(inputs.dtype):
            return tf.nn.conv2d(inputs, kernel, 1, "SAME")
        return _grouped(inputs, kernel)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = self.convolution_op(inputs, self.kernel)
        if self.use_bias:
            # Keras' `tf.nn.bias_add` would be fused with the convolution, and without oneDNN
            # TensorFlow's fused kernel refuses groups.
            outputs += tf.convert_to_tensor(self.bias)
        return self.activation(outputs)


@keras.saving.register_keras_serializable(package="tfgan2")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Keras' layer, without XLA where XLA is slow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.supports_jit = _xla_is_fast()


def _xla_is_fast() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


@tf.custom_gradient
def _grouped(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """A grouped convolution that is one operator, as exports need it, with derivatives by group."""

    def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([inputs, kernel])
            outputs = one_by_one(inputs, kernel)
        return tape.gradient(outputs, [inputs, kernel], upstream)

    return tf.nn.conv2d(inputs, kernel, 1, "SAME"), gradient


@cache
def _has_gradients(dtype: tf.DType) -> bool:
    """Returns whether TensorFlow differentiates grouped `tf.nn.conv2d` here: not on every CPU."""
    if tf.config.list_logical_devices("GPU"):
        return True
    with tf.init_scope():
        images, kernel = tf.ones((1, 3, 3, 4), dtype), tf.ones((3, 3, 2, 4), dtype)
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(images),
                filter=kernel,
                out_backprop=images,
                strides=[1, 1, 1, 1],
                padding="SAME",
            )
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
    return True
