"""Random masks for inpainting: 1 where an image is hidden, 0 elsewhere.

Shapes are static, so XLA compiles the code; draws are stateless, so a resumed run repeats them.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from tfgan2.distributed.microbatches import uniform

STROKES, SEGMENTS = 3, 4
"""Strokes of a free-form mask, and straight segments of a stroke."""


def draw(
    kind: str, count: int | tf.Tensor, size: tuple[int, int], fraction: float, seed: tf.Tensor
) -> tf.Tensor:
    """Draws masks.

    Args:
        kind: "centre", "box" or "free-form".
        count: number of masks.
        size: height and width of the images.
        fraction: edge of the hidden part as a fraction of the image's. For "box" the largest edge;
            the smallest is half of it. For "free-form" the length of a stroke over the square root
            of height times width; its width is a fifth of it.
        seed: int32, shape (2,).

    Returns:
        float32, shape (count, height, width, 1).
    """
    if kind == "centre":
        return tf.tile(tf.constant(centre(size, fraction))[None], (count, 1, 1, 1))
    return (_boxes if kind == "box" else _strokes)(count, size, fraction, seed)


def centre(size: tuple[int, int], fraction: float) -> np.ndarray:
    """The mask that hides the middle of an image, float32, shape (height, width, 1)."""
    mask = np.zeros((*size, 1), np.float32)
    (height, width), (high, wide) = size, (max(1, round(n * fraction)) for n in size)
    top, left = (height - high) // 2, (width - wide) // 2
    mask[top : top + high, left : left + wide] = 1.0
    return mask


def _boxes(
    count: int | tf.Tensor, size: tuple[int, int], fraction: float, seed: tf.Tensor
) -> tf.Tensor:
    draws = uniform((4, count), seed, axis=1)

    def interval(length: int, edge: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
        """1 for the rows or columns inside the boxes, shape (count, length)."""
        edge = tf.maximum(tf.round((0.5 + 0.5 * edge) * fraction * length), 1.0)
        first = tf.floor(position * (length - edge + 1.0))
        index = tf.range(length, dtype=tf.float32)
        return tf.cast((index >= first[:, None]) & (index < (first + edge)[:, None]), tf.float32)

    rows, columns = interval(size[0], draws[0], draws[1]), interval(size[1], draws[2], draws[3])
    return (rows[:, :, None] * columns[:, None, :])[..., None]


def _strokes(
    count: int | tf.Tensor, size: tuple[int, int], fraction: float, seed: tf.Tensor
) -> tf.Tensor:
    """Strokes of a round brush, each of a few random segments (after Yu et al. 2019)."""
    draws = uniform((count, STROKES, 2 + 2 * SEGMENTS), seed)
    unit = math.sqrt(size[0] * size[1])  # one for both axes: the brush is round
    edges = np.array(size, np.float32) / unit
    start = draws[:, :, None, :2] * edges
    angles = 2 * np.pi * draws[:, :, 2 : 2 + SEGMENTS]
    lengths = fraction / SEGMENTS * (0.5 + draws[:, :, 2 + SEGMENTS :])
    moves = tf.stack([lengths * tf.sin(angles), lengths * tf.cos(angles)], axis=-1)
    ends = tf.clip_by_value(start + tf.cumsum(moves, axis=2), 0.0, edges)
    starts = tf.concat([start, ends[:, :, :-1]], axis=2)
    y, x = ((tf.range(length, dtype=tf.float32) + 0.5) / unit for length in size)
    pixels = tf.stack(tf.meshgrid(y, x, indexing="ij"), axis=-1)  # (height, width, 2)
    hidden = tf.zeros((count, *size), tf.bool)
    for stroke in range(STROKES):
        for segment in range(SEGMENTS):
            a = starts[:, stroke, segment][:, None, None]
            line = ends[:, stroke, segment][:, None, None] - a
            along = tf.reduce_sum((pixels - a) * line, -1) / (tf.reduce_sum(line**2, -1) + 1e-8)
            nearest = a + tf.clip_by_value(along, 0.0, 1.0)[..., None] * line
            hidden |= tf.reduce_sum((pixels - nearest) ** 2, -1) < (fraction / 10) ** 2
    return tf.cast(hidden, tf.float32)[..., None]


def local_size(size: tuple[int, int], fraction: float) -> tuple[int, int]:
    """Height and width of the surroundings of a hole.

    Each is 1.5 times that of the hole, at least 8, at most that of the image.
    """
    height, width = (min(n, max(8, -(-round(1.5 * fraction * n) // 4) * 4)) for n in size)
    return height, width


def surroundings(masks: tf.Tensor, size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """First row and column, int32, shape (B,), of a rectangle around the middle of each mask."""

    def first(axis: int) -> tf.Tensor:
        length, edge = masks.shape[axis], size[axis - 1]
        hidden = tf.reduce_max(masks, axis=[3 - axis, 3])  # (B, length): 1 where anything is hidden
        index = tf.range(length, dtype=tf.float32)
        total = tf.maximum(tf.reduce_sum(hidden, axis=1), 1.0)
        middle = tf.reduce_sum(hidden * index, axis=1) / total
        start = tf.round(middle - (edge - 1) / 2)
        return tf.cast(tf.clip_by_value(start, 0.0, float(length - edge)), tf.int32)

    return first(1), first(2)
