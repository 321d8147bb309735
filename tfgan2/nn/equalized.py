"""Layers with equalized learning rate, Karras et al. 2018 (arXiv:1710.10196).

Weights start as N(0, 1) and are scaled by gain / sqrt(inputs of a unit) whenever they are used. So
an optimizer like Adam moves the weights of all layers by the same share of their size. A gain of
sqrt(2) keeps the size of features through the LeakyReLU that follows; it scales the bias, too.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfgan2.nn.resampling import blur, downsampled

_MOST_IN_FLOAT16 = 256.0


@keras.saving.register_keras_serializable(package="tfgan2")
class EqualizedDense(keras.layers.Dense):
    """Keras' layer with equalized learning rate.

    Give a `kernel_initializer` of N(0, 1 / learning_rate), and a bias divided by `learning_rate`.
    """

    def __init__(
        self, units: int, *, gain: float = 1.0, learning_rate: float = 1.0, **kwargs: Any
    ) -> None:
        """`learning_rate` multiplies that of the weights, in comparison with other layers."""
        super().__init__(units, **kwargs)
        self.gain, self.learning_rate = gain, learning_rate

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        scale = self.gain * self.learning_rate / math.sqrt(self.kernel.shape[0])
        outputs = tf.matmul(inputs, tf.convert_to_tensor(self.kernel) * scale)
        if self.use_bias:
            outputs += tf.convert_to_tensor(self.bias) * (self.gain * self.learning_rate)
        return outputs

    def get_config(self) -> dict[str, Any]:
        own = {"gain": self.gain, "learning_rate": self.learning_rate}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tfgan2")
class EqualizedConv2D(keras.layers.Conv2D):
    """Keras' layer with equalized learning rate, padded to "same"; the kernel's edges are odd.

    With `downsample` it halves height and width, which are even, and filters by [1, 3, 3, 1] first.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        gain: float = 1.0,
        downsample: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, **{**kwargs, "padding": "same"})
        self.gain, self.downsample = gain, downsample

    @property
    def scale(self) -> float:
        """Factor of the kernel, without the gain."""
        return 1.0 / math.sqrt(math.prod(self.kernel.shape[:3]))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.kernel) * (self.gain * self.scale)
        if self.downsample and self.kernel_size[0] > 1:
            padding = self.kernel_size[0] // 2 + 1
            outputs = self.strided(blur(inputs, (padding, padding)), kernel)
        else:
            inputs = downsampled(inputs) if self.downsample else inputs
            outputs = self.convolution_op(inputs, kernel)
        return self.finished(outputs)

    def finished(self, outputs: tf.Tensor) -> tf.Tensor:
        """Adds the bias, and limits float16."""
        if self.use_bias:
            outputs += tf.convert_to_tensor(self.bias) * self.gain
        half = outputs.dtype == tf.float16
        return tf.clip_by_value(outputs, -_MOST_IN_FLOAT16, _MOST_IN_FLOAT16) if half else outputs

    def strided(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """A convolution of stride 2 without padding."""
        return tf.nn.conv2d(inputs, kernel, 2, "VALID")

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, _ = input_shape
        shrink = 2 if self.downsample else 1
        return (batch, height // shrink, width // shrink, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain, "downsample": self.downsample}
