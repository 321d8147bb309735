"""Cropping and resizing batches of images, compiled by XLA and differentiable."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def crops(
    images: tf.Tensor, tops: tf.Tensor, lefts: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    """Crops each image, shape (B, H, W, C), at its own first row and column, int32, shape (B,)."""
    rows = tops[:, None] + tf.range(height)
    columns = lefts[:, None] + tf.range(width)
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)


def windows(
    maps: tf.Tensor, tops: tf.Tensor, lefts: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    """Crops each map as `crops`, by multiplications: the gradient adds in a fixed order."""
    rows = tf.one_hot(tops[:, None] + tf.range(height), maps.shape[1], dtype=maps.dtype)
    columns = tf.one_hot(lefts[:, None] + tf.range(width), maps.shape[2], dtype=maps.dtype)
    return tf.einsum("bpw,bowc->bopc", columns, tf.einsum("boh,bhwc->bowc", rows, maps))


def resampled(images: tf.Tensor, rows: np.ndarray, columns: np.ndarray) -> tf.Tensor:
    """Resizes images, float32, by two matrices from `resize_matrix`, which may overshoot."""
    images = tf.einsum("oh,bhwc->bowc", tf.constant(rows), images)
    return tf.einsum("pw,bowc->bopc", tf.constant(columns), images)


def resized_by(images: tf.Tensor, rows: np.ndarray, columns: np.ndarray) -> tf.Tensor:
    """Resizes images by two matrices from `resize_matrix`, and clips them to [-1, 1]."""
    return tf.clip_by_value(resampled(images, rows, columns), -1.0, 1.0)
