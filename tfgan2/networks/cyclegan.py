"""The generator of Johnson et al. 2016 (arXiv:1603.08155), as CycleGAN has it."""

from __future__ import annotations

from typing import Any

import keras
from keras import KerasTensor, layers, ops

from tfgan2.networks.layers import AnyShape, LayerMaker, output

HALVINGS = 2


def default_blocks(height: int) -> int:
    """The paper's: 9 residual blocks from 256 pixels on, else 6."""
    return 9 if height >= 256 else 6


def generator(
    input_shape: AnyShape,
    channels: int,
    blocks: int,
    make: LayerMaker,
    name: str = "generator",
) -> keras.Model:
    """A 7x7 convolution, two of stride 2, residual blocks, and back.

    Args:
        input_shape: (height, width, channels), multiples of 4; None for any.
        channels: channels of the generated images.
        blocks: number of residual blocks.
        make: makes the layers; the blocks have four times the base channels.
        name: name of the model.

    Returns:
        A functional model from "input" to "image", float32, in [-1, 1].
    """
    image = keras.Input(input_shape, name="input")
    settings: dict[str, Any] = {"init": "normal", "use_bias": make.norm == "none"}

    def padded_conv(x: KerasTensor, filters: int, size: int) -> KerasTensor:
        x = _reflection_padding(x, size // 2)
        return make.normalize(make.conv(filters, size, padding="valid", **settings)(x))

    x = layers.ReLU()(padded_conv(image, make.channels, 7))
    for level in range(1, HALVINGS + 1):
        x = make.conv(make.channels * 2**level, 3, 2, **settings)(x)
        x = layers.ReLU()(make.normalize(x))
    for _ in range(blocks):
        y = layers.ReLU()(padded_conv(x, x.shape[-1], 3))
        x = layers.Add()([x, padded_conv(y, x.shape[-1], 3)])
    for level in reversed(range(HALVINGS)):
        x = make.conv_transpose(make.channels * 2**level, 3, **settings)(x)
        x = layers.ReLU()(make.normalize(x))
    x = make.conv(channels, 7, padding="valid", init="normal")(_reflection_padding(x, 3))
    return keras.Model(image, output(x), name=name)


def _reflection_padding(x: KerasTensor, size: int) -> KerasTensor:
    """Mirrors the borders outwards; zeros would be a visible dark frame."""
    return ops.pad(x, ((0, 0), (size, size), (size, size), (0, 0)), mode="reflect")
