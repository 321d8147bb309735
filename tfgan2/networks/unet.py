"""The U-Net of Isola et al. 2016 (arXiv:1611.07004), for sizes that are multiples of 4."""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.errors import UserError
from tfgan2.networks.parts import Initializers, normalised
from tfgan2.nn.layers import Dropout

DEEPEST = 8
DROPPED = 3
"""Layers of the decoder that have dropout, from the innermost one outwards."""


def depth_for(size: int) -> int:
    """How often a size can be halved, at most DEEPEST times.

    Raises:
        UserError: less than twice.
    """
    depth = 0
    while depth < DEEPEST and size % 2 == 0 and size > 1:
        size, depth = size // 2, depth + 1
    if depth < 2:
        raise UserError("a U-Net needs images whose edges are a multiple of 4: give --image-size")
    return depth


def generator(
    input_shape: tuple[int | None, int | None, int],
    channels: int,
    *,
    depth: int,
    width: int,
    max_width: int,
    norm: str,
    dropout: float,
    seed: int,
) -> keras.Model:
    """An encoder of 4x4 convolutions of stride 2, a decoder, and skips from each size to its own.

    Args:
        input_shape: (height, width, channels), multiples of 2^depth; None for any.
        channels: of the images to be made.
        depth: how often the size is halved.
        width: channels of the first layer; they double from layer to layer.
        max_width: most channels of a layer.
        norm: one of `parts.NORMS`; neither the first nor the innermost layer has one, since one of
            a single pixel would leave nothing of it.
        dropout: share of the units dropped in the first layers of the decoder.
        seed: of the initial weights and of the dropout.

    Returns:
        A functional model from "input" to "image", float32, in [-1, 1].
    """
    init = Initializers(seed)
    image = x = keras.Input(input_shape, name="input")

    def settings(last: bool = False) -> dict[str, object]:
        bias = last or norm == "none"
        return {"padding": "same", "use_bias": bias, "kernel_initializer": init.normal()}

    widths = [min(max_width, width * 2**level) for level in range(depth)]
    skips = []
    for level, filters in enumerate(widths):
        if level:
            x = layers.LeakyReLU(0.2)(x)
        plain = level in (0, depth - 1)
        x = layers.Conv2D(filters, 4, 2, **settings(plain))(x)
        x = x if plain else normalised(x, norm)
        skips.append(x)
    for level in reversed(range(depth - 1)):
        x = layers.Conv2DTranspose(widths[level], 4, 2, **settings())(layers.ReLU()(x))
        x = normalised(x, norm)
        if dropout and depth - 2 - level < DROPPED:
            x = Dropout(dropout, seed=init.seed())(x)
        x = layers.Concatenate()([x, skips[level]])
    x = layers.Conv2DTranspose(channels, 4, 2, **settings(True))(layers.ReLU()(x))
    x = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model(image, x, name="generator")
