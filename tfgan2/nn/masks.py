"""Masks for inpainting: 1 where an image is hidden, 0 elsewhere.

All shapes are static and all draws stateless, so that XLA compiles them and a resumed run draws the
same.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

KINDS = ("centre", "box", "free-form")
STROKES, CORNERS = 3, 4
"""A free-form mask is made of so many strokes, each along so many corners."""


def draw(
    kind: str, count: int | tf.Tensor, size: tuple[int, int], share: float, seed: tf.Tensor
) -> tf.Tensor:
    """Draws masks.

    Args:
        kind: one of KINDS.
        count: how many.
        size: height and width of the images.
        share: edge of what is hidden as a share of the image's; of "box" the largest, half of it
            the smallest; of "free-form" the length of a stroke, which is a fifth as wide.
        seed: int32, shape (2,).

    Returns:
        float32, shape (count, height, width, 1).
    """
    height, width = size
    if kind == "centre":
        mask = centre(size, share)
        return tf.tile(tf.constant(mask)[None], (count, 1, 1, 1))
    if kind == "box":
        return _boxes(count, height, width, share, seed)
    return _strokes(count, height, width, share, seed)


def centre(size: tuple[int, int], share: float) -> np.ndarray:
    """The mask that hides the middle, float32, shape (height, width, 1)."""
    mask = np.zeros((*size, 1), np.float32)
    edges = [max(1, round(length * share)) for length in size]
    (top, left), (high, broad) = [(n - e) // 2 for n, e in zip(size, edges, strict=True)], edges
    mask[top : top + high, left : left + broad] = 1.0
    return mask


def _boxes(
    count: int | tf.Tensor, height: int, width: int, share: float, seed: tf.Tensor
) -> tf.Tensor:
    drawn = tf.random.stateless_uniform((4, count), seed)

    def span(length: int, size: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        """Bool (count, length)."""
        edge = tf.maximum(tf.round((0.5 + 0.5 * size) * share * length), 1.0)
        first = tf.floor(place * (length - edge + 1.0))
        position = tf.range(length, dtype=tf.float32)
        inside = (position >= first[:, None]) & (position < (first + edge)[:, None])
        return tf.cast(inside, tf.float32)

    rows, columns = span(height, drawn[0], drawn[1]), span(width, drawn[2], drawn[3])
    return (rows[:, :, None] * columns[:, None, :])[..., None]


def _strokes(
    count: int | tf.Tensor, height: int, width: int, share: float, seed: tf.Tensor
) -> tf.Tensor:
    """Strokes of round brushes, each along a few corners (after Yu et al. 2019)."""
    drawn = tf.random.stateless_uniform((count, STROKES, 2 + 2 * CORNERS), seed)
    start = drawn[:, :, :2]
    angles = 2 * np.pi * drawn[:, :, 2 : 2 + CORNERS]
    lengths = share / CORNERS * (0.5 + drawn[:, :, 2 + CORNERS :])
    moves = tf.stack([lengths * tf.sin(angles), lengths * tf.cos(angles)], axis=-1)
    ends = tf.clip_by_value(start[:, :, None] + tf.cumsum(moves, axis=2), 0.0, 1.0)
    starts = tf.concat([start[:, :, None], ends[:, :, :-1]], axis=2)
    y = (tf.range(height, dtype=tf.float32) + 0.5) / height
    x = (tf.range(width, dtype=tf.float32) + 0.5) / width
    pixels = tf.stack(tf.meshgrid(y, x, indexing="ij"), axis=-1)  # (height, width, 2)
    hidden = tf.zeros((count, height, width), tf.bool)
    for stroke in range(STROKES):
        for corner in range(CORNERS):
            a = starts[:, stroke, corner][:, None, None]
            line = ends[:, stroke, corner][:, None, None] - a
            along = tf.reduce_sum((pixels - a) * line, -1) / (tf.reduce_sum(line**2, -1) + 1e-8)
            nearest = a + tf.clip_by_value(along, 0.0, 1.0)[..., None] * line
            distance = tf.reduce_sum((pixels - nearest) ** 2, -1)
            hidden |= distance < (share / 10) ** 2
    return tf.cast(hidden, tf.float32)[..., None]


def local_size(edge: int, share: float) -> int:
    """Edge of the surroundings of a hole: half as large again, at least 8, at most the image's."""
    return min(edge, max(8, -(-round(1.5 * share * edge) // 4) * 4))


def surroundings(masks: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The first row and column, int32, shape (B,), of squares around the middle of each mask."""
    _, height, width, _ = masks.shape

    def first(length: int, axes: list[int]) -> tf.Tensor:
        weights = tf.reduce_max(masks, axis=axes)  # (B, length): 1 where anything is hidden
        position = tf.range(length, dtype=tf.float32)
        total = tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)
        middle = tf.reduce_sum(weights * position, axis=1) / total
        return tf.cast(
            tf.clip_by_value(tf.round(middle - (size - 1) / 2), 0.0, float(length - size)), tf.int32
        )

    return first(height, [2, 3]), first(width, [1, 3])
