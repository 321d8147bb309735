"""Affine warps of images, interpolated with the cubic kernel of Keys (1981).

Gradients of any order are sums of the same kind, without a scatter: they are fast under XLA, and
the same in every run on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_REACH = 2
"""Distance in pixels at which the kernel becomes 0."""
_LARGEST_FOR_MATRICES = 64


def affine_warp(images: tf.Tensor, maps: tf.Tensor, least_scale: float) -> tf.Tensor:
    """Resamples each image by an affine map from positions in the result to those in the image.

    Positions are (x, y) in pixels from the centre, to the right and down. Around the image lie its
    mirror images. Whole positions keep pixels as they are.

    Args:
        images: float32 or float64, shape (B, H, W, C); only B may be unknown while tracing.
        maps: float32, shape (B, 2, 3): (x, y, 1) becomes a position in the image. They get no
            gradients.
        least_scale: lower bound of the singular values of the maps' first two columns.

    Returns:
        Images of the same shape.
    """
    if max(images.shape[1:3]) <= _LARGEST_FOR_MATRICES:
        return warp_by_matrices(images, maps)
    return warp_in_passes(images, maps, least_scale)


def warp_by_matrices(images: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """`affine_warp` by two matrices per image, with weights of all rows and of all columns.

    The time per pixel grows with the edge. Compiled on a CPU, it takes a third of the time of two
    passes for 32x32 pixels, and as long for 80x80.
    """
    _, height, width, channels = images.shape
    maps = tf.stop_gradient(maps)
    x = tf.range(width, dtype=tf.float32) - (width - 1) / 2
    y = tf.range(height, dtype=tf.float32) - (height - 1) / 2
    x, y = (tf.reshape(each, (1, -1)) for each in tf.meshgrid(x, y))

    def weights(axis: int, size: int) -> tf.Tensor:
        """Weights of `size` pixels and two at each end in each output: (B, H * W, size + 4)."""
        position = maps[:, axis, :1] * x + maps[:, axis, 1:2] * y + maps[:, axis, 2:]
        # Borders lie at 0 and at `size`; mirror images repeat after two sizes.
        position = tf.math.floormod(position + size / 2, 2.0 * size)
        position = tf.minimum(position, 2.0 * size - position) - 0.5
        pixels = tf.range(-_REACH, size + _REACH, dtype=tf.float32)
        return tf.cast(_kernel(position[..., None] - pixels), images.dtype)

    around = [_REACH, _REACH]
    images = tf.pad(images, [[0, 0], around, around, [0, 0]], "SYMMETRIC")
    columns = tf.transpose(images, (0, 2, 3, 1))
    shape = (-1, width + 2 * _REACH, channels * (height + 2 * _REACH))
    columns = tf.matmul(weights(0, width), tf.reshape(columns, shape))
    columns = tf.reshape(columns, (-1, height * width, channels, height + 2 * _REACH))
    result = tf.matmul(columns, weights(1, height)[..., None])
    return tf.reshape(result, (-1, height, width, channels))


def warp_in_passes(images: tf.Tensor, maps: tf.Tensor, least_scale: float) -> tf.Tensor:
    """`affine_warp` in two passes, along rows and along columns (Catmull and Smith 1980).

    A pass resamples each row: every output is a sum of 4 pixels. Its gradient is the transposed
    sum, which reads a fixed number of outputs for every pixel. There is only one mirror image at
    each side, of half of the longer edge or, if that is less, of the whole edge; what is farther
    away is 0.
    """
    _, height, width, _ = images.shape
    side = max(height, width)
    margins = [min(-(-side // 2), edge) for edge in (height, width)]
    images = tf.pad(images, [[0, 0], *([each] * 2 for each in margins), [0, 0]], "SYMMETRIC")
    (x_of_x, x_of_y, x_shift), (y_of_x, y_of_y, y_shift) = (
        tf.unstack(row, axis=1) for row in tf.unstack(tf.stop_gradient(maps), axis=1)
    )
    # A transposed result needs less compression between the passes where y depends more on x.
    turned = tf.abs(y_of_x) > tf.abs(y_of_y)
    x_of_x, x_of_y = tf.where(turned, x_of_y, x_of_x), tf.where(turned, x_of_x, x_of_y)
    y_of_x, y_of_y = tf.where(turned, y_of_y, y_of_x), tf.where(turned, y_of_x, y_of_y)
    # A result that is not square has a square around it, whose rest is cut off.
    columns, rows = (tf.where(turned, *edges) for edges in ((height, width), (width, height)))
    center_x, center_y = ((tf.cast(edge, tf.float32) - 1.0) / 2.0 for edge in (columns, rows))
    canvas_y, canvas_x = (height - 1) / 2 + margins[0], (width - 1) / 2 + margins[1]

    # Pass 1: in each row y of the image, the pixels that the result's columns need.
    slope = x_of_x - x_of_y * y_of_x / y_of_y
    shear = x_of_y / y_of_y
    y = tf.range(height + 2 * margins[0], dtype=tf.float32) - canvas_y
    start = x_shift + canvas_x - slope * center_x
    starts = start[:, None] + shear[:, None] * (y - y_shift[:, None])
    x = _resampled(images, slope, starts, side, least_scale)
    # Pass 2: in each column of the result, all its rows.
    column = tf.range(side, dtype=tf.float32) - center_x[:, None]
    start = y_shift + canvas_y - y_of_y * center_y
    starts = start[:, None] + y_of_x[:, None] * column
    x = _resampled(_transposed(x), y_of_y, starts, side, least_scale / math.sqrt(2.0))
    x = tf.where(turned[:, None, None, None], x, _transposed(x))
    return x[:, :height, :width]


def _transposed(images: tf.Tensor) -> tf.Tensor:
    return tf.transpose(images, (0, 2, 1, 3))


def _resampled(
    images: tf.Tensor, slopes: tf.Tensor, starts: tf.Tensor, size: int, least_slope: float
) -> tf.Tensor:
    """Resamples each row n of image b at starts[b, n] + slopes[b] * (0, 1, … size - 1).

    Returns (B, H, size, C). The absolute slopes are at least `least_slope`.
    """
    width = images.shape[2]
    steps = tf.range(size, dtype=tf.float32)
    pixels = tf.range(width, dtype=tf.float32)
    slope, start = slopes[:, None, None], starts[:, :, None]
    positions = slope * steps + start
    # Where the result shows each pixel.
    centers = (pixels - start) / slope
    reach = _REACH / tf.abs(slope)

    def from_pixels(images: tf.Tensor) -> tf.Tensor:
        first = tf.floor(positions) - 1.0

        def weight(pixel: tf.Tensor) -> tf.Tensor:
            return _kernel(positions - pixel)

        return _sums(images, first, weight, 4)

    def to_pixels(results: tf.Tensor) -> tf.Tensor:
        first = tf.floor(centers - reach) + 1.0

        def weight(step: tf.Tensor) -> tf.Tensor:
            return _kernel(slope * step + start - pixels)

        return _sums(results, first, weight, math.ceil(2.0 * _REACH / least_slope))

    return _linear(from_pixels, to_pixels)(images)


def _linear(
    function: Callable[[tf.Tensor], tf.Tensor], transposed: Callable[[tf.Tensor], tf.Tensor]
) -> Callable[[tf.Tensor], tf.Tensor]:
    """A linear function, whose gradient is the transposed one, whose gradient is the first one."""

    @tf.custom_gradient
    def call(values: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return function(values), _linear(transposed, function)

    return call


def _sums(
    values: tf.Tensor, first: tf.Tensor, weight: Callable[[tf.Tensor], tf.Tensor], count: int
) -> tf.Tensor:
    """Weighted sums of `count` neighbours in each row, from `first` on, (B, H, N); others are 0.

    `weight` gets the neighbours' positions, whole numbers in float32, (B, H, N).
    """
    size = values.shape[2]
    total = tf.constant(0.0, values.dtype)
    for number in range(count):
        position = first + number
        inside = (position >= 0.0) & (position < size)
        weights = tf.where(inside, weight(position), 0.0)
        indices = tf.cast(tf.clip_by_value(position, 0.0, size - 1.0), tf.int32)
        read = tf.gather(values, indices, axis=2, batch_dims=2)
        total += read * tf.cast(weights, values.dtype)[..., None]
    return total


def _kernel(distance: tf.Tensor) -> tf.Tensor:
    """The cubic kernel of Keys with a = -1/2."""
    distance = tf.abs(distance)
    near, far = tf.nn.relu(1.0 - distance), tf.nn.relu(2.0 - distance)
    return 0.5 * far * far * (far - 1.0) + near * near * (1.0 - 2.0 * near)
