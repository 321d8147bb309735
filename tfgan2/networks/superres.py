"""The networks of Ledig et al. 2016 (arXiv:1609.04802) for super-resolution."""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.networks.parts import Initializers, normalised
from tfgan2.nn.layers import PixelShuffle


def generator(
    input_shape: tuple[int | None, int | None, int],
    *,
    scale: int,
    blocks: int,
    width: int,
    norm: str,
    seed: int,
) -> keras.Model:
    """Residual blocks at the small size, then a pixel shuffle for each doubling.

    Args:
        input_shape: (height, width, channels); None for any.
        scale: 2 or 4.
        blocks: how many residual blocks.
        width: channels of every layer.
        norm: one of `parts.NORMS`.
        seed: of the initial weights.

    Returns:
        A functional model from "input" to "image", float32, in [-1, 1], `scale` times as large.
    """
    init = Initializers(seed)
    image = keras.Input(input_shape, name="input")

    def convolved(y: keras.KerasTensor, filters: int, size: int = 3) -> keras.KerasTensor:
        return layers.Conv2D(filters, size, padding="same", kernel_initializer=init.glorot())(y)

    def prelu(y: keras.KerasTensor) -> keras.KerasTensor:
        return layers.PReLU(shared_axes=[1, 2])(y)

    start = x = prelu(convolved(image, width, 9))
    for _ in range(blocks):
        y = prelu(normalised(convolved(x, width), norm))
        x = layers.Add()([x, normalised(convolved(y, width), norm)])
    x = layers.Add()([start, normalised(convolved(x, width), norm)])
    for _ in range(scale // 2):
        x = prelu(PixelShuffle(2)(convolved(x, 4 * width)))
    x = convolved(x, input_shape[-1], 9)
    x = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model(image, x, name="generator")


def discriminator(image_shape: tuple[int, int, int], *, width: int, seed: int) -> keras.Model:
    """3x3 convolutions, every second one of stride 2, four such pairs, and a hidden layer.

    Args:
        image_shape: (height, width, channels).
        width: channels of the first pair; they double; the hidden layer has 16 times as many.
        seed: of the initial weights.

    Returns:
        A functional model from "image" to a logit, float32, shape (1,).
    """
    init = Initializers(seed)
    image = x = keras.Input(image_shape, name="image")
    for level in range(4):
        for stride in (1, 2):
            first = level == 0 and stride == 1
            x = layers.Conv2D(
                width * 2**level,
                3,
                stride,
                "same",
                use_bias=first,
                kernel_initializer=init.glorot(),
            )(x)
            x = layers.LeakyReLU(0.2)(normalised(x, "none" if first else "batch"))
    x = layers.Dense(16 * width, kernel_initializer=init.glorot())(layers.Flatten()(x))
    logits = layers.Dense(1, kernel_initializer=init.glorot(), dtype="float32", name="logits")(
        layers.LeakyReLU(0.2)(x)
    )
    return keras.Model(image, logits, name="discriminator")
