"""The generator of Johnson et al. 2016 (arXiv:1603.08155), as CycleGAN has it."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers, ops

from tfgan2.networks.layers import AnyShape, LayerMaker, output

HALVINGS = 2
LEAST_SIZE = 2 * 2**HALVINGS
"""Smallest height and width: a single row or column cannot be mirrored."""


def default_blocks(height: int) -> int:
    """The paper's: 9 residual blocks from 256 pixels on, else 6."""
    return 9 if height >= 256 else 6


def generator(
    input_shape: AnyShape, channels: int, blocks: int, make: LayerMaker, name: str = "generator"
) -> keras.Model:
    """A 7x7 convolution, two of stride 2, residual blocks, and back.

    The blocks have four times the base channels, at most `max_channels`. Heights and widths are
    multiples of 4, at least `LEAST_SIZE`.

    Returns:
        A model from "input" to "image", float32, in [-1, 1].
    """
    image = keras.Input(input_shape, name="input")
    bias = make.norm == "none"
    first, *others = filters = make.level_channels(HALVINGS + 1)
    x = make.block(_reflection_padding(image, 3), first, 7, padding="valid")
    for number in others:
        x = make.block(x, number, 3, 2)
    for _ in range(blocks):
        y = make.block(_reflection_padding(x, 1), x.shape[-1], 3, padding="valid")
        y = _reflection_padding(y, 1)
        y = make.conv(x.shape[-1], 3, padding="valid", init="normal", use_bias=bias)(y)
        x = layers.Add()([x, make.normalize(y)])
    for number in reversed(filters[:-1]):
        x = make.block(x, number, 3, 2, transposed=True)
    x = make.conv(channels, 7, padding="valid", init="normal")(_reflection_padding(x, 3))
    return keras.Model(image, output(x), name=name)


def _reflection_padding(x: KerasTensor, size: int) -> KerasTensor:
    """Mirrors the borders outwards; zeros would be a visible dark frame."""
    return ops.pad(x, ((0, 0), (size, size), (size, size), (0, 0)), mode="reflect")
