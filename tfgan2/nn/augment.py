"""Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738), and random crops.

Real and generated images are augmented alike before the discriminator, and the generator's gradient
passes through the augmentation, so generated images themselves stay unaugmented. Fewer training
images suffice.

All randomness is stateless, so a resumed run augments as the uninterrupted run does. One draw gives
all numbers that a sample may need: a part of a policy does the same alone and among others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfgan2.distributed.microbatches import uniform
from tfgan2.errors import unknown
from tfgan2.nn.resizing import crops

POLICIES = ("color", "translation", "cutout")
CROP_MARGIN = 30 / 256
"""pix2pix and cyclegan enlarge images by this fraction before a random crop, 256 pixels to 286."""


def parse_policy(text: str) -> tuple[str, ...]:
    """Returns the names of POLICIES in a text like "color,cutout", without duplicates.

    "colour" is accepted too; "" and "none" mean no augmentation.

    Raises:
        UserError: an unknown name.
    """
    names = [name.strip().lower().replace("colour", "color") for name in text.split(",")]
    if names in ([""], ["none"]):
        return ()
    _check(names)
    return tuple(dict.fromkeys(names))


def augment(images: tf.Tensor, policy: Sequence[str], seed: tf.Tensor) -> tf.Tensor:
    """Augments each image at random.

    Args:
        images: in [-1, 1], shape (B, H, W, C), any floating type; only B may be unknown while
            tracing. Half precision is computed in float32.
        policy: names of POLICIES, applied in their order:

            - "color": adds U(-0.5, 0.5); multiplies the distance from the mean of the pixel's
              channels by U(0, 2), which leaves a single channel unchanged; multiplies the distance
              from the mean of the image by U(0.5, 1.5).
            - "translation": shifts by whole pixels, uniform up to 1/8 of the height and of the
              width (rounded), and fills with 0, which is grey.
            - "cutout": sets a rectangle of half the height and half the width (rounded) at a random
              position to 0; it may cross the border.
        seed: int32, shape (2,). Each sample has its own draw; the same seed gives the same draws.

    Returns:
        Images of the same shape and type. As in the paper nothing is clipped: after "color", values
        may lie outside [-1, 1].

    Raises:
        UserError: an unknown name in the policy.
    """
    _check(policy)
    if not policy:
        return images
    count = images.shape[0] or tf.shape(images)[0]
    draws = tf.unstack(stateless_draws((count, 7), seed), axis=1)
    dtype = images.dtype
    x = tf.cast(images, tf.float32) if dtype in (tf.float16, tf.bfloat16) else images
    for name in policy:
        if name == "color":
            x = _color(x, *draws[:3])
        elif name == "translation":
            x = _translation(x, *draws[3:5])
        else:
            x = _cutout(x, *draws[5:7])
    return tf.cast(x, dtype)


def random_crop(
    images: tf.Tensor,
    stream: str,
    seed: Callable[[str], tf.Tensor],
    *,
    crop: bool = True,
    mirror: bool = True,
) -> tf.Tensor:
    """Crops images at random, enlarged by CROP_MARGIN before, and mirrors half of them.

    Images have the shape (B, H, W, C). `seed` makes a seed, int32, shape (2,), from the name of a
    draw, which begins with `stream`.
    """
    height, width = images.shape[1:3]
    count = tf.shape(images)[0]
    if crop:
        margins = [round(size * CROP_MARGIN) for size in (height, width)]
        images = tf.image.resize(images, (height + margins[0], width + margins[1]))
        tops, lefts = (
            uniform((count,), seed(f"{stream} {axis}"), 0, margin + 1, tf.int32)
            for axis, margin in enumerate(margins)
        )
        images = crops(images, tops, lefts, height, width)
    if mirror:
        images = mirrored(images, uniform((count,), seed(f"{stream} mirror")))
    return images


def mirrored(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Mirrors left and right the images, (B, H, W, C), whose draws, (B,), are below 1/2."""
    return tf.where((draws < 0.5)[:, None, None, None], tf.reverse(images, axis=[2]), images)


def _check(policy: Sequence[str]) -> None:
    for name in policy:
        if name not in POLICIES:
            choice = f"choose from {', '.join(POLICIES)}, or none"
            raise unknown("augmentation", name, POLICIES, hint=choice)


def stateless_draws(
    shape: tuple[int | tf.Tensor, ...], seed: tf.Tensor, axis: int = 0
) -> tf.Tensor:
    """U[0, 1), float32, with and without XLA the same numbers; `axis` is that of the samples.

    Both draw the same bits, but convert them to different floats. 23 bits are used, so the product
    with a whole number stays below that number after rounding.
    """
    bits = uniform(shape, seed, None, None, tf.int32, axis=axis, alg="philox")
    return tf.cast(bits & 0x7FFFFF, tf.float32) * 2.0**-23


def _per_image(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Reshapes (B,) to (B, 1, 1, 1)."""
    return tf.cast(values, dtype)[:, None, None, None]


def _integers(draws: tf.Tensor, low: int, high: int) -> tf.Tensor:
    """Turns draws from [0, 1) into integers from `low` to `high`, both included."""
    return tf.cast(tf.floor(draws * (high - low + 1)), tf.int32) + low


def _color(
    images: tf.Tensor, brightness: tf.Tensor, saturation: tf.Tensor, contrast: tf.Tensor
) -> tf.Tensor:
    x = images + _per_image(brightness - 0.5, images.dtype)
    grey = tf.reduce_mean(x, axis=3, keepdims=True)
    x = (x - grey) * _per_image(saturation * 2.0, x.dtype) + grey
    mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
    return (x - mean) * _per_image(contrast + 0.5, x.dtype) + mean


def _translation(images: tf.Tensor, *draws: tf.Tensor) -> tf.Tensor:
    limits = [int(size / 8 + 0.5) for size in images.shape[1:3]]
    down, right = (_integers(u, -n, n) for u, n in zip(draws, limits, strict=True))
    return _shift(images, down, right)


@tf.custom_gradient
def _shift(
    images: tf.Tensor, down: tf.Tensor, right: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], Any]]:
    """Shifts each image by whole pixels, int32, shape (B,), and fills with 0.

    The gradient is the shift back. TensorFlow's own gradient is a scatter, which is slower, and on
    a GPU adds in no fixed order. Compiled on a CPU, forward and backward, this takes half the time
    of multiplications by one-hot matrices for 32x32 pixels, and a fifth for 128x128.
    """
    _, height, width, _ = images.shape
    rows = tf.range(height) - down[:, None]
    columns = tf.range(width) - right[:, None]
    x = tf.gather(images, tf.clip_by_value(rows, 0, height - 1), axis=1, batch_dims=1)
    x = tf.gather(x, tf.clip_by_value(columns, 0, width - 1), axis=2, batch_dims=1)
    inside = _between(rows, 0, height)[:, :, None] & _between(columns, 0, width)[:, None, :]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
        return _shift(upstream, -down, -right), None, None

    return x * tf.cast(inside, x.dtype)[..., None], gradient


def _cutout(images: tf.Tensor, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    _, height, width, _ = images.shape
    cut = _cut_lines(row, height)[:, :, None] & _cut_lines(column, width)[:, None, :]
    return images * tf.cast(~cut, images.dtype)[..., None]


def _cut_lines(draws: tf.Tensor, size: int) -> tf.Tensor:
    """The rows or columns to cut, bool, shape (B, size)."""
    edge = int(size / 2 + 0.5)
    # The middle of an odd edge is one of `size` pixels; that of an even edge is one of size + 1
    # lines between pixels, the borders included.
    start = _integers(draws, 0, size - edge % 2) - edge // 2
    return _between(tf.range(size) - start[:, None], 0, edge)


def _between(values: tf.Tensor, low: int, high: int) -> tf.Tensor:
    """low <= values < high."""
    return (values >= low) & (values < high)
