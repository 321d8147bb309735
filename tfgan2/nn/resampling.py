"""Resampling of images and features, and from a vector to a small image.

[1, 2, 1] is the filter of R3GAN, [1, 3, 3, 1] that of StyleGAN2 (Karras et al. 2020,
arXiv:1912.04958, appendix B). Height and width are known. Everything is slices, sums and products,
which XLA fuses, every export format has, and gradients of any order pass through.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops


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
    for axis in (1, 2):
        x = _padded(images, axis, (1, 1))
        size = images.shape[axis]
        before, here, after = (_rows(x, axis, start, start + size) for start in range(3))
        pairs = tf.stack([0.25 * before + 0.75 * here, 0.75 * here + 0.25 * after], axis + 1)
        shape = list(images.shape)
        shape[axis] = 2 * size
        images = tf.reshape(pairs, [-1, *shape[1:]])
    return images


def downsampled(images: tf.Tensor) -> tf.Tensor:
    """Halves height and width, which are even, after the filter [1, 3, 3, 1]."""
    for axis in (1, 2):
        x = _padded(images, axis, (1, 1))
        end = images.shape[axis] - 1
        a, b, c, d = (_rows(x, axis, start, start + end, 2) for start in range(4))
        images = 0.125 * (a + d) + 0.375 * (b + c)
    return images


def _padded(x: tf.Tensor, axis: int, padding: tuple[int, int]) -> tf.Tensor:
    return tf.pad(x, [padding if each == axis else (0, 0) for each in range(4)])


def _rows(x: tf.Tensor, axis: int, start: int, end: int, stride: int = 1) -> tf.Tensor:
    """Some of the rows, or along the axis 2 of the columns, all from an even first one on."""
    rows = slice(start, end, stride)
    return x[:, rows] if axis == 1 else x[:, :, rows]


@keras.saving.register_keras_serializable(package="tfgan2")
class LinearUpsampling(keras.layers.Layer):
    """Doubles height and width with the filter [1, 2, 1] / 2 between zeros, in both directions.

    Of a row x this makes x_0, (x_0 + x_1) / 2, x_1, (x_1 + x_2) / 2, …; the last one is repeated.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width, channels = inputs.shape[1:]
        following = ops.concatenate([inputs[:, :, 1:], inputs[:, :, -1:]], axis=2)
        # Neighbours along the channels are neighbours along the width after the reshaping.
        x = ops.concatenate([inputs, 0.5 * (inputs + following)], axis=3)
        x = ops.reshape(x, (-1, height, 2 * width, channels))
        following = ops.concatenate([x[:, 1:], x[:, -1:]], axis=1)
        x = ops.concatenate([x, 0.5 * (x + following)], axis=2)
        return ops.reshape(x, (-1, 2 * height, 2 * width, channels))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, 2 * height, 2 * width, channels)


@keras.saving.register_keras_serializable(package="tfgan2")
class LinearDownsampling(keras.layers.Layer):
    """Halves height and width, which are even, with the filter [1, 2, 1] / 4 in both directions.

    Of a row x this makes (x_-1 + 2 x_0 + x_1) / 4, (x_1 + 2 x_2 + x_3) / 4, …; x_-1 is x_0.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width, channels = inputs.shape[1:]
        x = ops.reshape(inputs, (-1, height // 2, 2 * width, channels))
        even, odd = x[:, :, :width], x[:, :, width:]
        before = ops.concatenate([even[:, :1], odd[:, :-1]], axis=1)
        x = 0.5 * even + 0.25 * (before + odd)
        x = ops.reshape(x, (-1, height // 2, width // 2, 2 * channels))
        even, odd = x[..., :channels], x[..., channels:]
        before = ops.concatenate([even[:, :, :1], odd[:, :, :-1]], axis=2)
        return 0.5 * even + 0.25 * (before + odd)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, height // 2, width // 2, channels)


@keras.saving.register_keras_serializable(package="tfgan2")
class Upsampled(keras.layers.Layer):
    """`upsampled` as a layer, by [1, 3, 3, 1]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return upsampled(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, 2 * height, 2 * width, channels)


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
