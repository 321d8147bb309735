"""Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738).

The discriminator sees real and generated images augmented alike, and the generator's gradient goes
through the augmentation, so that the generated images themselves stay plain. It lets few training
images suffice for longer.

All randomness is stateless, so a resumed run augments as the uninterrupted one would have. Whatever
the policy, one draw gives every number that a sample may need: a policy's part does the same
whether alone or among others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfgan2.errors import unknown
from tfgan2.nn.resizing import crops

POLICIES = ("color", "translation", "cutout")
CROP_MARGIN = 30 / 256
"""pix2pix and cyclegan enlarge images by this fraction before a random crop, 256 pixels to 286."""


def parse_policy(text: str) -> tuple[str, ...]:
    """The parts of a policy from one line of text.

    Args:
        text: names of POLICIES with commas between them, for example "color,cutout"; "colour" is
            taken as well; "" or "none" for none.

    Returns:
        The names in their order, each once.

    Raises:
        UserError: an unknown name.
    """
    names = [name.strip().lower() for name in text.split(",")]
    if names in ([""], ["none"]):
        return ()
    names = ["color" if name == "colour" else name for name in names]
    _check(names)
    return tuple(dict.fromkeys(names))


def augment(images: tf.Tensor, policy: Sequence[str], seed: tf.Tensor) -> tf.Tensor:
    """Changes each image at random, in a way that gradients go through.

    Args:
        images: in [-1, 1], shape (B, H, W, C), any floating type; B may be unknown while tracing,
            H, W and C may not. Half precision is computed in float32.
        policy: names of POLICIES, applied in this order:

            - "color": U(-0.5, 0.5) is added, then the distance from the mean of the pixel's
              channels is multiplied by U(0, 2), which leaves one channel as it is, then the
              distance from the image's mean is multiplied by U(0.5, 1.5).
            - "translation": by whole pixels, uniform up to 1/8 of the height and of the width
              (rounded), with 0, which is grey, moved in.
            - "cutout": a rectangle of half the height and half the width (rounded) around a random
              place becomes 0; it may reach over the border.
        seed: int32, shape (2,). Every sample is drawn anew; the same seed draws the same.

    Returns:
        Images of the same shape and type. As in the paper nothing is clipped: after "color", values
        may lie outside of [-1, 1].

    Raises:
        UserError: an unknown name in the policy.
    """
    _check(policy)
    if not policy:
        return images
    count = tf.shape(images)[0] if images.shape[0] is None else images.shape[0]
    draws = tf.unstack(_uniform((count, 7), seed), axis=1)
    own = images.dtype
    x = tf.cast(images, tf.float32) if own in (tf.float16, tf.bfloat16) else images
    for name in policy:
        if name == "color":
            x = _color(x, *draws[:3])
        elif name == "translation":
            x = _translation(x, *draws[3:5])
        else:
            x = _cutout(x, *draws[5:7])
    return tf.cast(x, own)


def random_crop(
    images: tf.Tensor,
    stream: str,
    seed: Callable[[str], tf.Tensor],
    *,
    crop: bool = True,
    mirror: bool = True,
) -> tf.Tensor:
    """Random crops of enlarged images, half of them mirrored.

    Args:
        images: shape (B, height, width, C).
        stream: name of the draw.
        seed: from the name of a draw to a seed, int32, shape (2,).
        crop: enlarge the images by CROP_MARGIN and crop them.
        mirror: mirror half of them.

    Returns:
        Images of the same shape.
    """
    height, width = images.shape[1:3]
    count = tf.shape(images)[0]
    if crop:
        margins = [round(size * CROP_MARGIN) for size in (height, width)]
        images = tf.image.resize(images, (height + margins[0], width + margins[1]))
        tops, lefts = (
            tf.random.stateless_uniform((count,), seed(f"{stream} {axis}"), 0, margin + 1, tf.int32)
            for axis, margin in enumerate(margins)
        )
        images = crops(images, tops, lefts, height, width)
    if mirror:
        draws = tf.random.stateless_uniform((count,), seed(f"{stream} mirror"))
        mirrored = tf.reverse(images, axis=[2])
        images = tf.where((draws < 0.5)[:, None, None, None], mirrored, images)
    return images


def _check(policy: Sequence[str]) -> None:
    for name in policy:
        if name not in POLICIES:
            raise unknown("augmentation", name, POLICIES)


def _uniform(shape: tuple[int | tf.Tensor, ...], seed: tf.Tensor) -> tf.Tensor:
    """Float32 from [0, 1), the same whether compiled or not.

    TensorFlow's bits are the same, but XLA makes other floats of them. 23 bits, so that a product
    with a whole number stays below that number after rounding.
    """
    bits = tf.random.stateless_uniform(shape, seed, None, None, tf.int32, alg="philox")
    return tf.cast(bits & 0x7FFFFF, tf.float32) * 2.0**-23


def _per_image(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Shape (B,) becomes (B, 1, 1, 1)."""
    return tf.cast(values, dtype)[:, None, None, None]


def _whole(draw: tf.Tensor, low: int, high: int) -> tf.Tensor:
    """Draws from [0, 1) become whole numbers from `low` to `high`, each as likely."""
    return tf.cast(tf.floor(draw * (high - low + 1)), tf.int32) + low


def _color(
    images: tf.Tensor, brightness: tf.Tensor, saturation: tf.Tensor, contrast: tf.Tensor
) -> tf.Tensor:
    """Brightness, saturation and contrast from draws in [0, 1), shape (B,) each."""
    x = images + _per_image(brightness - 0.5, images.dtype)
    grey = tf.reduce_mean(x, axis=3, keepdims=True)
    x = (x - grey) * _per_image(saturation * 2.0, x.dtype) + grey
    mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
    return (x - mean) * _per_image(contrast + 0.5, x.dtype) + mean


def _translation(images: tf.Tensor, down: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Moves by whole pixels from draws in [0, 1), shape (B,) each."""
    _, height, width, _ = images.shape
    furthest_down, furthest_right = int(height / 8 + 0.5), int(width / 8 + 0.5)
    return _shifted(
        images,
        _whole(down, -furthest_down, furthest_down),
        _whole(right, -furthest_right, furthest_right),
    )


@tf.custom_gradient
def _shifted(
    images: tf.Tensor, down: tf.Tensor, right: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], Any]]:
    """Each image moved by its own whole numbers of pixels, int32, shape (B,); 0 moves in.

    The gradient is the move back. TensorFlow would scatter, which is slower, and on a GPU adds in
    an order that is not fixed. Compiled on a CPU, forward and backward, this takes half the time
    of products with one-hot matrices for 32x32 pixels and a fifth for 128x128.
    """
    _, height, width, _ = images.shape
    rows = tf.range(height) - down[:, None]
    columns = tf.range(width) - right[:, None]
    x = tf.gather(images, tf.clip_by_value(rows, 0, height - 1), axis=1, batch_dims=1)
    x = tf.gather(x, tf.clip_by_value(columns, 0, width - 1), axis=2, batch_dims=1)
    inside = _between(rows, 0, height)[:, :, None] & _between(columns, 0, width)[:, None, :]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
        return _shifted(upstream, -down, -right), None, None

    return x * tf.cast(inside, x.dtype)[..., None], gradient


def _cutout(images: tf.Tensor, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Sets a rectangle to 0, its place from draws in [0, 1), shape (B,) each."""
    _, height, width, _ = images.shape
    within = _cut_range(row, height)[:, :, None] & _cut_range(column, width)[:, None, :]
    return images * tf.cast(~within, images.dtype)[..., None]


def _cut_range(draw: tf.Tensor, size: int) -> tf.Tensor:
    """Which of `size` rows or columns are cut, from draws of shape (B,): bool, shape (B, size)."""
    edge = int(size / 2 + 0.5)
    # An odd edge has a pixel in its middle, of which there are `size`; an even one a line between
    # two pixels, of which there are size + 1 with the borders.
    start = _whole(draw, 0, size - edge % 2) - edge // 2
    return _between(tf.range(size) - start[:, None], 0, edge)


def _between(values: tf.Tensor, low: int, high: int) -> tf.Tensor:
    """Whether low <= value < high."""
    return (values >= low) & (values < high)
