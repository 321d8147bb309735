"""Resampling with the filter [1, 3, 3, 1], Karras et al. 2020 (arXiv:1912.04958, appendix B).

Height and width are known. Everything is slices and sums, which XLA fuses, every export format has,
and gradients of any order pass through.
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
    """Doubles height and width; the filter interpolates linearly between the pixels' centers."""
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
    """Halves height and width, which are even, after the filter."""
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
class Upsampled(keras.layers.Layer):
    """`upsampled` as a layer."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return upsampled(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, 2 * height, 2 * width, channels)
