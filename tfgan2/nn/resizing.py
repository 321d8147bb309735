"""Cutting and resizing batches of images in a way that XLA compiles and gradients go through."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def crops(
    images: tf.Tensor, tops: tf.Tensor, lefts: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    """A part of each image.

    Args:
        images: shape (B, H, W, C).
        tops: its first row, int32, shape (B,).
        lefts: its first column.
        height: of the parts.
        width: of the parts.

    Returns:
        Shape (B, height, width, C).
    """
    rows = tops[:, None] + tf.range(height)
    columns = lefts[:, None] + tf.range(width)
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)


def resized_by(images: tf.Tensor, rows: np.ndarray, columns: np.ndarray) -> tf.Tensor:
    """Images resized by two matrices of `resize_matrix`, and clipped to [-1, 1]."""
    images = tf.einsum("oh,bhwc->bowc", tf.constant(rows), images)
    images = tf.einsum("pw,bowc->bopc", tf.constant(columns), images)
    return tf.clip_by_value(images, -1.0, 1.0)
