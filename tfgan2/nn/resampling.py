"""Resampling of images and features, and from a vector to a small image.

The filter [1, 3, 3, 1] is that of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958, appendix B) and
of R3GAN, whose code makes it of [1, 2, 1] and [1, 1]. Height and width are known. Everything is
slices, sums and products, which XLA fuses, every export format has, and gradients of any order pass
through.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def blur(images: tf.Tensor, padding: tuple[int, int]) -> tf.Tensor:
    """Filters by [1, 3, 3, 1] / 8 along both axes, of an image with zeros before and after it.

    From (B, H, W, C) to (B, H + before + after - 3, W + before + after - 3, C).
    """
    for axis in (1, 2):
        x = _padded(images, axis, padding)
        last = x.shape[axis] - 3
        a, b, c, d = (_rows(x, axis, start, start + last) for start in range(4))
        images = 0.125 * (a + d) + 0.375 * (b + c)
    return images


def upsampled(images: tf.Tensor) -> tf.Tensor:
    """Doubles height and width; [1, 3, 3, 1] interpolates linearly between the pixels' centers."""
    height, width, channels = images.shape[1:]
    # Neighbours along the channels are neighbours along the width after the reshaping.
    for axis in (2, 1):
        near, far = 0.75 * images, 0.25 * images
        pairs = [near + _shifted(far, axis, 1), near + _shifted(far, axis, -1)]
        size = (height, 2 * width) if axis == 2 else (2 * height, 2 * width)
        images = tf.reshape(tf.concat(pairs, axis + 1), (-1, *size, channels))
    return images


def downsampled(images: tf.Tensor) -> tf.Tensor:
    """Halves height and width, which are even, after the filter [1, 3, 3, 1]."""
    height, width, channels = images.shape[1:]
    for axis, shape in ((1, (height // 2, 2 * width)), (2, (height // 2, width // 2))):
        # Neighbours along the axis become neighbours along the one behind it: strides are slower.
        x = tf.reshape(images, (-1, *shape, channels if axis == 1 else 2 * channels))
        even, odd = tf.split(x, 2, axis + 1)
        images = 0.375 * (even + odd) + 0.125 * (_shifted(odd, axis, 1) + _shifted(even, axis, -1))
    return images


def _shifted(x: tf.Tensor, axis: int, by: int) -> tf.Tensor:
    """Moves rows, or along the axis 2 columns, on by 1 or back by -1; a zero comes in."""
    size = x.shape[axis]
    kept = _rows(x, axis, 0, size - 1) if by > 0 else _rows(x, axis, 1, size)
    return _padded(kept, axis, (1, 0) if by > 0 else (0, 1))


def _padded(x: tf.Tensor, axis: int, padding: tuple[int, int]) -> tf.Tensor:
    """Adds zeros before and after the rows, or along the axis 2 the columns."""
    start, size = padding[0], x.shape[axis]

    @tf.custom_gradient
    def pad(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
        padded = tf.pad(x, [padding if each == axis else (0, 0) for each in range(4)])
        return padded, lambda upstream: _rows(upstream, axis, start, start + size)

    return pad(x)


def _rows(x: tf.Tensor, axis: int, start: int, end: int) -> tf.Tensor:
    """Some of the rows, or along the axis 2 of the columns.

    The gradient pads: TensorFlow's own for slices takes ten times as long without XLA.
    """
    rows, padding = slice(start, end), (start, x.shape[axis] - end)

    @tf.custom_gradient
    def cut(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
        kept = x[:, rows] if axis == 1 else x[:, :, rows]
        return kept, lambda upstream: _padded(upstream, axis, padding)

    return cut(x)


@keras.saving.register_keras_serializable(package="tfgan2")
class Upsampled(keras.layers.Layer):
    """`upsampled` as a layer, by [1, 3, 3, 1]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return upsampled(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, 2 * height, 2 * width, channels)


@keras.saving.register_keras_serializable(package="tfgan2")
class Downsampled(keras.layers.Layer):
    """`downsampled` as a layer, by [1, 3, 3, 1]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return downsampled(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, height // 2, width // 2, channels)


@keras.saving.register_keras_serializable(package="tfgan2")
class Basis(keras.layers.Layer):
    """Multiplies features by a learned image: from (B, H, W, C), or (B, 1, 1, C), to (B, H, W, C).

    Attributes:
        size: H and W.
        basis: the learned image, shape (H, W, C).
    """

    def __init__(self, size: tuple[int, int], initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = tuple(size)
        self.initializer = keras.initializers.get(initializer or "random_normal")

    def build(self, input_shape: Any) -> None:
        shape = (*self.size, input_shape[-1])
        self.basis = self.add_weight(name="basis", shape=shape, initializer=self.initializer)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * self.basis

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *self.size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "size": self.size, "initializer": initializer}
