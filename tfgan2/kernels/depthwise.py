"""Depthwise convolutions as a sum of shifted images, each multiplied by one tap of the kernel.

Covers "SAME" convolutions with one filter for each channel, and gradients of any order, up to
rounding. Under XLA on a CPU its own form takes tens of times as long as TensorFlow's kernel without
XLA; this one becomes a single loop over the pixels.
"""

from __future__ import annotations

import tensorflow as tf

from tfgan2.kernels.patches import Taps


def conv2d(images: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Computes `tf.nn.depthwise_conv2d` with "SAME" padding, (B, H, W, C) to (B, H / s, W / s, C).

    H and W must be known. The kernel has the shape (k, l, C, 1).
    """
    rows, columns = (
        Taps(*sizes, stride, 1) for sizes in zip(images.shape[1:3], kernel.shape[:2], strict=True)
    )
    with tf.name_scope("depthwise_conv2d"):
        images = tf.pad(images, ((0, 0), rows.padding, columns.padding, (0, 0)))
        kernel = kernel[rows.used, columns.used, :, 0]
        terms = [
            images[:, row][:, :, column] * kernel[i, j]
            for i, row in enumerate(rows.views)
            for j, column in enumerate(columns.views)
        ]
        return tf.add_n(terms)
