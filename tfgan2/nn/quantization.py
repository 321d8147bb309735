"""Fake quantization: float arithmetic with the rounding errors of an int8 file.

As TFLite computes in int8 (Jacob et al. 2018, arXiv:1712.05877): 8 bits for each activation, with a
range per tensor, and 8 for each weight, with a range per output channel. Gradients pass as if
nothing had been rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import layers

_WITH_KERNELS = (layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D, layers.Dense)
_ROUNDED = (*_WITH_KERNELS, layers.Add, layers.Concatenate, layers.Activation)
"""Layers whose inputs an int8 file holds in 8 bits; norms and ReLU are part of the layer before."""


def rounded_activations(x: tf.Tensor) -> tf.Tensor:
    """Rounds a tensor to 256 values from its minimum to its maximum, of which 0 is one."""
    low = tf.minimum(tf.reduce_min(x), 0.0)
    high = tf.maximum(tf.reduce_max(x), 0.0)
    scale = tf.maximum((high - low) / 255.0, 1e-8)
    zero = tf.round(-low / scale)
    steps = tf.clip_by_value(tf.round(x / scale) + zero, 0.0, 255.0)
    return _straight_through(x, (steps - zero) * scale)


def rounded_weights(kernel: tf.Tensor, axes: list[int]) -> tf.Tensor:
    """Rounds weights to 255 values, as many below 0 as above it.

    Args:
        kernel: float32.
        axes: all axes but that of the output channels, of which each has its own range.
    """
    largest = tf.reduce_max(tf.abs(kernel), axes, keepdims=True)
    scale = tf.maximum(largest / 127.0, 1e-8)
    return _straight_through(kernel, tf.round(kernel / scale) * scale)


def _straight_through(x: tf.Tensor, rounded: tf.Tensor) -> tf.Tensor:
    """Returns `rounded` with the gradient of `x` (Bengio et al. 2013, arXiv:1308.3432)."""
    return x + tf.stop_gradient(rounded - x)


def quantized(network: keras.Model, active: Callable[[], bool]) -> keras.Model:
    """Returns a network with the same variables that computes as its int8 file does.

    Args:
        network: a functional model.
        active: tells when the network is called or traced whether it rounds.
    """

    def call(layer: Any, inputs: Any, **_: Any) -> Any:
        return _Quantized(layer, active)(inputs)

    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)


class _Quantized(layers.Layer):
    """Calls another layer, on rounded inputs and with a rounded kernel."""

    def __init__(self, layer: layers.Layer, active: Callable[[], bool]) -> None:
        super().__init__(dtype=layer.dtype_policy)
        self.layer, self._active = layer, active

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        return self.layer.compute_output_spec(inputs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not (isinstance(self.layer, _ROUNDED) and self._active()):
            return self.layer(inputs)  # Keras passes `training` on
        inputs = tf.nest.map_structure(_rounded, inputs)
        if not isinstance(self.layer, _WITH_KERNELS):
            return self.layer(inputs)
        kernel = self.layer.kernel
        with keras.StatelessScope([(kernel, self._rounded_kernel(kernel.value))]):
            return self.layer(inputs)

    def _rounded_kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        transposed = isinstance(self.layer, (layers.Conv2DTranspose, layers.DepthwiseConv2D))
        channels = len(kernel.shape) - (2 if transposed else 1)
        axes = [axis for axis in range(len(kernel.shape)) if axis != channels]
        return rounded_weights(kernel, axes)


def _rounded(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(rounded_activations(tf.cast(x, tf.float32)), x.dtype)
