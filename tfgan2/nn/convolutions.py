"""Convolutions that Keras does not have in this form."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfgan2")
class GroupedConv2D(keras.layers.Conv2D):
    """Keras' layer with groups, computed by TensorFlow's own kernel.

    Keras sends grouped convolutions through XLA, which on a CPU is a hundred times slower. So there
    Keras' `fit` compiles a model with such a layer without XLA. A step that `tfgan2.kernels`
    compiles computes them in another form.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.supports_jit = bool(tf.config.list_physical_devices("GPU"))

    def convolution_op(self, inputs: tf.Tensor, kernel: keras.Variable) -> tf.Tensor:
        kernel, padding = tf.convert_to_tensor(kernel), self.padding.upper()
        return tf.nn.conv2d(inputs, kernel, self.strides, padding, dilations=self.dilation_rate)
