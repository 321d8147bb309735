"""The U-Net of Isola et al. 2016 (arXiv:1611.07004), for sizes that are multiples of 4."""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.errors import UserError
from tfgan2.networks.layers import AnyShape, LayerMaker, output

MAX_DEPTH = 8
DROPOUT_LAYERS = 3
"""Layers of the decoder that have dropout, from the innermost one outwards."""


def depth_for(size: int) -> int:
    """Returns how often a size can be halved, at most MAX_DEPTH times.

    Raises:
        UserError: less than twice.
    """
    depth = 0
    while depth < MAX_DEPTH and size % 2 == 0 and size > 1:
        size, depth = size // 2, depth + 1
    if depth < 2:
        raise UserError("a U-Net needs images whose edges are multiples of 4: give --image-size")
    return depth


def generator(input_shape: AnyShape, channels: int, depth: int, make: LayerMaker) -> keras.Model:
    """An encoder of 4x4 convolutions of stride 2, a decoder, and skips from each size to its own.

    Heights and widths are multiples of 2^depth. The base channels double from layer to layer. The
    first and the innermost layer have no norm: normalizing a single pixel would leave nothing.

    Returns:
        A model from "input" to "image", float32, in [-1, 1].
    """
    image = x = keras.Input(input_shape, name="input")
    bias = make.norm == "none"
    filters = make.level_channels(depth)
    skips = []
    for level in range(depth):
        plain = level in (0, depth - 1)
        x = layers.LeakyReLU(0.2)(x) if level else x
        x = make.conv(filters[level], 4, 2, init="normal", use_bias=plain or bias)(x)
        x = x if plain else make.normalize(x)
        skips.append(x)
    for level in reversed(range(depth - 1)):
        x = layers.ReLU()(x)
        x = make.conv_transpose(filters[level], 4, init="normal", use_bias=bias)(x)
        x = make.normalize(x)
        x = make.dropout(x) if depth - 2 - level < DROPOUT_LAYERS else x
        x = layers.Concatenate()([x, skips[level]])
    x = make.conv_transpose(channels, 4, init="normal")(layers.ReLU()(x))
    return keras.Model(image, output(x), name="generator")
