"""Convolutions as one matrix multiplication over gathered patches (im2col).

Covers "SAME" convolutions with any kernel, stride and dilation, and gradients of any order, up to
rounding. Kernel taps that never meet the image are left out.

This is faster on small images under XLA on a CPU: XLA computes an image smaller than the kernel
pixel by pixel, at a hundredth of the speed, and a small batch on one core.
"""

from __future__ import annotations

import tensorflow as tf


def conv2d(images: tf.Tensor, kernel: tf.Tensor, stride: int, dilation: int = 1) -> tf.Tensor:
    """Computes `tf.nn.conv2d` with "SAME" padding, (B, H, W, C) to (B, H / stride, W / stride, N).

    H and W must be known. The kernel has the shape (k, l, C, N). Stride and dilation are those of
    both directions; one of them must be 1.
    """
    rows, columns = (
        _Taps(*sizes, stride, dilation)
        for sizes in zip(images.shape[1:3], kernel.shape[:2], strict=True)
    )
    with tf.name_scope("patches_dilated_conv2d" if dilation > 1 else "patches_conv2d"):
        images = tf.pad(images, ((0, 0), rows.padding, columns.padding, (0, 0)))
        parts = [images[:, row][:, :, column] for row in rows.views for column in columns.views]
        patches = tf.concat(parts, axis=3)
        kernel = kernel[rows.used, columns.used]
        filters = kernel.shape[3]
        products = tf.reshape(patches, (-1, patches.shape[3])) @ tf.reshape(kernel, (-1, filters))
        return tf.reshape(products, (-1, rows.outputs, columns.outputs, filters))


def conv2d_transpose(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Computes `tf.nn.conv2d_transpose` with "SAME" padding, (B, h, w, N) to (B, H, W, C).

    This is the gradient of `conv2d` for its images, of H = stride * h and W = stride * w pixels.
    """
    size = (stride * inputs.shape[1], stride * inputs.shape[2], kernel.shape[2])
    with tf.name_scope("patches_conv2d_transpose"):
        images = tf.zeros((tf.shape(inputs)[0], *size), inputs.dtype)
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = conv2d(images, kernel, stride)
        return tape.gradient(outputs, images, output_gradients=inputs)


class _Taps:
    """The taps of a kernel along one direction.

    Attributes:
        outputs: number of output pixels.
        padding: zeros before and after the image.
        used: slice of the taps that meet the image for some output.
        views: for each of these, the slice of the padded image that it is multiplied with.
    """

    def __init__(self, size: int, taps: int, stride: int, dilation: int) -> None:
        self.outputs = -(-size // stride)
        reach = (self.outputs - 1) * stride + 1
        total = max(reach + (taps - 1) * dilation - size, 0)
        starts = [tap * dilation - total // 2 for tap in range(taps)]
        used = [tap for tap, start in enumerate(starts) if -reach < start < size]
        used = used or [0]  # a dilated even kernel may have no tap on the image: all is zero then
        self.used = slice(used[0], used[-1] + 1)
        before = max(-starts[used[0]], 0)
        self.padding = (before, max(starts[used[-1]] + reach - size, 0))
        self.views = [
            slice(start + before, start + before + reach, stride) for start in starts[self.used]
        ]
