"""Transposed convolutions as one convolution for each phase of the output.

By definition, a transposed convolution inserts zeros and convolves: it multiplies mostly by zero.
XNNPACK's own remedy is slow with few output channels, as in a generator's last layer. One
convolution that computes all phases as channels, then depth-to-space, gives the same sums with the
same number of multiplications, and takes less time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


class _Subpixel(keras.layers.Conv2DTranspose):
    """Conv2DTranspose, computed by phases."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = conv_transpose(inputs, tf.convert_to_tensor(self.kernel), self.strides[0])
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


def replaceable(network: keras.Model) -> list[keras.layers.Layer]:
    """Returns the transposed convolutions whose kernel size is a multiple of their stride.

    Others would multiply by padding, which costs what is gained and makes the file larger.
    """
    return [
        layer
        for layer in network._flatten_layers(include_self=False, recursive=True)
        if type(layer) is keras.layers.Conv2DTranspose
        and layer.kernel_size[0] == layer.kernel_size[1]
        and layer.strides[0] == layer.strides[1] > 1
        and layer.kernel_size[0] % layer.strides[0] == 0
        and layer.padding == "same"
        and layer.output_padding is None
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.data_format == "channels_last"
    ]


@contextlib.contextmanager
def rewritten(network: keras.Model) -> Iterator[None]:
    """Computes the replaceable layers by phases within the block."""
    layers = replaceable(network)
    try:
        for layer in layers:
            layer.__class__ = _Subpixel
        yield
    finally:
        for layer in layers:
            layer.__class__ = keras.layers.Conv2DTranspose


def conv_transpose(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Computes `tf.nn.conv2d_transpose` with "SAME" padding by phases.

    The kernel is of shape (size, size, filters, channels); size must be a multiple of the stride.
    """
    taps = kernel.shape[0] // stride
    filters, channels = kernel.shape[2:]
    # Phase r takes row stride * a + r of the kernel for the a-th input before; a convolution counts
    # its rows from the other end.
    phases = tf.reshape(kernel, (taps, stride, taps, stride, filters, channels))
    phases = tf.transpose(tf.reverse(phases, (0, 2)), (0, 2, 5, 1, 3, 4))
    kernels = tf.reshape(phases, (taps, taps, channels, -1))
    around = [[0, 0], [taps - 1, taps - 1], [taps - 1, taps - 1], [0, 0]]
    outputs = tf.nn.conv2d(tf.pad(inputs, around), kernels, 1, "VALID")
    outputs = tf.nn.depth_to_space(outputs, stride)
    # "SAME" leaves out the borders of the full transposed convolution.
    before = (kernel.shape[0] - stride) // 2
    after = kernel.shape[0] - stride - before
    return outputs[:, before : -after or None, before : -after or None] if after else outputs
