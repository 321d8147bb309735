"""Adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676).

A pipeline of invertible transformations, each applied with one probability p to each image. While
p stays below about 0.8, the generator learns the images, not their augmentations. p follows how
sure the discriminator is of real images.

The transformations and their strengths are the paper's set "bgc": pixel blits, geometry and colour.
The paper filters with wavelets at twice the size; here one cubic resampling does all geometry.
All randomness is stateless, see `tfgan2.nn.augment`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from tfgan2.nn.augment import stateless_draws
from tfgan2.nn.warp import affine_warp

INTERVAL = 4
"""Updates of the discriminator between two changes of p."""

GEOMETRY_DRAWS, COLOR_DRAWS = 18, 10
_SCALE = 0.2
"""Standard deviation of the logarithm to base 2 of scalings."""
_MOST = 2.5
"""Standard deviations to which these are limited; it bounds the cost of a warp's gradient."""
_LEAST_SCALE = 2.0 ** (-2 * _SCALE * _MOST)
"""Smallest product of an isotropic and an anisotropic scaling."""


def adaptive_augment(images: tf.Tensor, p: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Augments each image at random.

    Args:
        images: in [-1, 1], shape (B, H, W, C), any floating type; only B may be unknown while
            tracing. Half precision is computed in float32.
        p: probability of each transformation, 0 to 1, a float32 scalar.
        seed: int32, shape (2,). Each sample has its own draws; the same seed gives the same.

    Returns:
        Images of the same shape and type. Nothing is clipped.
    """
    count = images.shape[0] or tf.shape(images)[0]
    draws = stateless_draws((count, GEOMETRY_DRAWS + COLOR_DRAWS), seed)
    p = tf.convert_to_tensor(p, tf.float32)
    x = tf.cast(images, tf.float32) if images.dtype.size < 4 else images
    maps = geometry(draws[:, :GEOMETRY_DRAWS], p, *images.shape[1:3])
    x = affine_warp(x, maps, _LEAST_SCALE)
    x = colored(x, draws[:, GEOMETRY_DRAWS:], p)
    return tf.cast(x, images.dtype)


def adjusted(p: tf.Tensor, signs: tf.Tensor, target: float, share: tf.Tensor) -> tf.Tensor:
    """Moves p by `share` towards the target of r_t, within [0, 1].

    `signs` is r_t, the mean sign of D's logits of real images less the boundary of its loss: 0 if
    it cannot tell them from generated ones, 1 if it is sure. All are float32 scalars. The share is
    that of the images since the last move in those in which p can go from 0 to 1; in the paper
    500,000. There p has no upper bound, but above 1 it means the same as 1.
    """
    return tf.clip_by_value(p + tf.sign(signs - target) * share, 0.0, 1.0)


def geometry(draws: tf.Tensor, p: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Positions in the images of positions in the results, see `tfgan2.nn.warp.affine_warp`.

    Pixel blits: mirrors left and right; turns by a multiple of 90 degrees, of 180 if the image is
    not square; shifts by whole pixels up to 1/8 of the edges. Geometry: scales by 2^N(0, 0.2²);
    turns by any angle; scales x by 2^N(0, 0.2²) and y by its inverse; turns once more; shifts by
    N(0, (1/8)²) of the edges. One of both turns happens with probability p. Scalings are limited to
    2.5 standard deviations, 2^0.5.

    Args:
        draws: from U[0, 1), float32, shape (B, GEOMETRY_DRAWS).
        p: probability of each transformation, a float32 scalar.
        height, width: those of the images.

    Returns:
        float32, shape (B, 2, 3).
    """
    flip, turns, shift, scale, turn_1, stretch, turn_2, move = _groups(
        draws, (2, 2, 3, 2, 2, 2, 2, 3)
    )
    rows = tf.broadcast_to(tf.eye(2, 3), (tf.shape(draws)[0], 2, 3))
    x, y = rows[:, 0], rows[:, 1]
    no_shift = tf.constant([0.0, 0.0, 1.0])
    once = 1.0 - tf.sqrt(1.0 - p)
    # The inverse of each transformation, the last one first.
    x -= width / 8 * _if(move, p, _normal(move[1]), 0.0) * no_shift
    y -= height / 8 * _if(move, p, _normal(move[2]), 0.0) * no_shift
    x, y = _turned(x, y, _if(turn_2, once, _angle(turn_2[1]), 0.0))
    factor = _if(stretch, p, _scale(stretch[1], _SCALE, _MOST), 1.0)
    x, y = x / factor, y * factor
    x, y = _turned(x, y, _if(turn_1, once, _angle(turn_1[1]), 0.0))
    factor = _if(scale, p, _scale(scale[1], _SCALE, _MOST), 1.0)
    x, y = x / factor, y / factor
    x -= tf.round(_if(shift, p, shift[1] * 2.0 - 1.0, 0.0) * (width / 8)) * no_shift
    y -= tf.round(_if(shift, p, shift[2] * 2.0 - 1.0, 0.0) * (height / 8)) * no_shift
    quarters = tf.floor(turns[1] * 4.0) if height == width else 2.0 * tf.floor(turns[1] * 2.0)
    x, y = _quarters_turned(x, y, _if(turns, p, quarters, 0.0))
    x *= _if(flip, p, _sign(flip[1]), 1.0)
    return tf.stack([x, y], axis=1)


def colored(images: tf.Tensor, draws: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """Changes brightness, contrast, luma, hue and saturation, in this order.

    Adds N(0, 0.2²) to all channels; multiplies by 2^N(0, 0.5²); negates the mean of a pixel's
    channels, half of the time; turns the colour around the axis of greys by any angle; multiplies
    the distance from grey by 2^N(0, 1). A fourth channel, transparency, is kept. One, two or more
    than four channels are taken as grey, which has neither hue nor saturation.

    Args:
        images: in [-1, 1], float32 or float64, shape (B, H, W, C).
        draws: from U[0, 1), float32, shape (B, COLOR_DRAWS).
        p: probability of each transformation, a float32 scalar.

    Returns:
        Images of the same shape and type.
    """
    brightness, contrast, luma, hue, saturation = _groups(draws, (2, 2, 2, 2, 2))
    add = 0.2 * _if(brightness, p, _normal(brightness[1]), 0.0)
    factor = _if(contrast, p, _scale(contrast[1], 0.5), 1.0)
    sign = _if(luma, p, _sign(luma[1]), 1.0)
    angle = _if(hue, p, _angle(hue[1]), 0.0)
    strength = factor * _if(saturation, p, _scale(saturation[1], 1.0), 1.0)

    def each(values: tf.Tensor) -> tf.Tensor:
        return tf.cast(values, images.dtype)[:, :, None, None]

    if images.shape[3] not in (3, 4):
        return each(sign * factor) * (images + each(add))
    x, rest = images[..., :3], images[..., 3:]
    grey = tf.reduce_mean(x, axis=3, keepdims=True)
    # The cross product with the unit vector along the greys.
    across = (tf.roll(x, 1, axis=3) - tf.roll(x, -1, axis=3)) / math.sqrt(3.0)
    color = each(strength * tf.cos(angle)) * (x - grey) + each(strength * tf.sin(angle)) * across
    x = each(sign * factor) * (grey + each(add)) + color
    return tf.concat([x, rest], axis=3) if images.shape[3] == 4 else x


def _groups(draws: tf.Tensor, sizes: Sequence[int]) -> list[list[tf.Tensor]]:
    """The draws of each transformation, shape (B, 1): whether to apply it, then its parameters."""
    each = iter(tf.split(draws, draws.shape[1], axis=1))
    return [[next(each) for _ in range(size)] for size in sizes]


def _if(draws: Sequence[tf.Tensor], p: tf.Tensor, value: tf.Tensor, other: float) -> tf.Tensor:
    """The value where the first draw is below p, else the one that changes nothing."""
    return tf.where(draws[0] < p, value, other)


def _normal(draws: tf.Tensor) -> tf.Tensor:
    """N(0, 1) from U[0, 1), whose values are multiples of 2^-23."""
    return tf.math.ndtri(draws + 2.0**-24)


def _scale(draws: tf.Tensor, deviation: float, most: float = math.inf) -> tf.Tensor:
    """2^N(0, deviation²), of at most `most` standard deviations."""
    powers = deviation * tf.clip_by_value(_normal(draws), -most, most)
    return tf.exp(math.log(2.0) * powers)


def _angle(draws: tf.Tensor) -> tf.Tensor:
    return (2.0 * draws - 1.0) * math.pi


def _sign(draws: tf.Tensor) -> tf.Tensor:
    """-1 or 1."""
    return tf.where(draws < 0.5, -1.0, 1.0)


def _turned(x: tf.Tensor, y: tf.Tensor, angle: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    cos, sin = tf.cos(angle), tf.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def _quarters_turned(
    x: tf.Tensor, y: tf.Tensor, quarters: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Turned by a multiple of 90 degrees, exactly."""
    cos = tf.abs(quarters - 2.0) - 1.0  # 1, 0, -1, 0 of 0, 1, 2, 3
    sin = tf.where(quarters == 3.0, -1.0, 1.0 - tf.abs(cos))
    return cos * x + sin * y, cos * y - sin * x
