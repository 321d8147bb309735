"""Convolutions as one product of matrices, the patches under the kernel gathered first.

What "SAME" convolutions of any kernel, stride and dilation compute, and gradients of any order, up
to rounding. Taps that lie outside of the image wherever the kernel stands are left out.

It pays on small images, and under XLA on a CPU: that walks over an image smaller than the kernel
pixel by pixel, at a hundredth of the speed, and over one of a small batch with one core.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

FEW_PIXELS = 64
"""Pixels of a batch up to which this is faster than Winograd filtering."""
_FEWEST_MADE = 16
"""With fewer channels made, gathering the patches costs more than is gained."""


def pays(
    kernel: Sequence[int], images: Sequence[int | None], stride: int, dilation: int = 1
) -> bool:
    """Whether no other form of a convolution is faster; measured, benchmarks/convolutions.py.

    Args:
        kernel: its shape, (height, width, channels, made).
        images: shape (B, H, W, ...) of what it is given, or a transposed one makes.
        stride: of both directions.
        dilation: of both directions.
    """
    batch, height, width = images[:3]
    if height is None or width is None or max(kernel[:2]) == 1 or kernel[3] < _FEWEST_MADE:
        return False
    pixels = (batch or 1) * -(-height // stride) * -(-width // stride)
    return pixels <= FEW_PIXELS or dilation >= max(height, width)


def rescues(kernel: Sequence[int], images: Sequence[int | None], stride: int) -> bool:
    """Whether XLA's own form walks pixel by pixel; arguments as for `pays`, without dilation."""
    height, width = images[1:3]
    if height is None or width is None or kernel[3] < _FEWEST_MADE:
        return False
    return -(-min(height, width) // stride) < max(kernel[:2])


def conv2d(images: tf.Tensor, kernel: tf.Tensor, stride: int, dilation: int = 1) -> tf.Tensor:
    """`tf.nn.conv2d` with "SAME" padding.

    Args:
        images: shape (B, H, W, C); H and W must be known.
        kernel: shape (k, l, C, N).
        stride: of both directions.
        dilation: of both directions; 1 where the stride is not.

    Returns:
        Shape (B, ceil(H / stride), ceil(W / stride), N).
    """
    rows, columns = (
        _Taps(*sizes, stride, dilation)
        for sizes in zip(images.shape[1:3], kernel.shape[:2], strict=True)
    )
    images = tf.pad(images, ((0, 0), rows.around, columns.around, (0, 0)))
    parts = [images[:, row][:, :, column] for row in rows.seen for column in columns.seen]
    patches = tf.concat(parts, axis=3)
    kernel = kernel[rows.live, columns.live]
    made = kernel.shape[3]
    products = tf.reshape(patches, (-1, patches.shape[3])) @ tf.reshape(kernel, (-1, made))
    return tf.reshape(products, (-1, rows.outputs, columns.outputs, made))


def conv2d_transpose(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """`tf.nn.conv2d_transpose` with "SAME" padding: the gradient of `conv2d` for its images.

    Args:
        inputs: shape (B, h, w, N); h and w must be known.
        kernel: shape (k, l, C, N).
        stride: of both directions.

    Returns:
        Shape (B, stride * h, stride * w, C).
    """
    size = (stride * inputs.shape[1], stride * inputs.shape[2], kernel.shape[2])
    images = tf.zeros((tf.shape(inputs)[0], *size), inputs.dtype)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = conv2d(images, kernel, stride)
    return tape.gradient(outputs, images, output_gradients=inputs)


class _Taps:
    """Where those of a kernel stand, along one direction.

    Attributes:
        outputs: how many there are.
        around: zeros before and after the image.
        live: the taps that see it at all.
        seen: what each of them sees of the padded image.
    """

    def __init__(self, size: int, taps: int, stride: int, dilation: int) -> None:
        self.outputs = -(-size // stride)
        reach = (self.outputs - 1) * stride + 1
        total = max(reach + (taps - 1) * dilation - size, 0)
        starts = [tap * dilation - total // 2 for tap in range(taps)]
        live = [tap for tap, start in enumerate(starts) if start + reach > 0 and start < size]
        live = live or [0]  # even kernels have none in the middle: then all is zero
        self.live = slice(live[0], live[-1] + 1)
        before, after = -starts[live[0]], starts[live[-1]] + reach - size
        self.around = (max(before, 0), max(after, 0))
        first = [starts[tap] + self.around[0] for tap in live]
        self.seen = [slice(start, start + reach, stride) for start in first]
