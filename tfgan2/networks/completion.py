"""The networks of Iizuka et al. 2017 (SIGGRAPH, doi:10.1145/3072959.3073659) for inpainting."""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.networks.parts import Initializers, normalised
from tfgan2.nn.layers import Filled, Hidden

DILATIONS = (2, 4, 8, 16)


def generator(
    input_shape: tuple[int | None, int | None, int], *, width: int, norm: str, seed: int
) -> keras.Model:
    """Convolutions at half and a quarter of the size, dilated ones in the middle.

    Args:
        input_shape: (height, width, channels), multiples of 4; None for any.
        width: channels of the first layer; the middle has four times as many.
        norm: one of `parts.NORMS`.
        seed: of the initial weights.

    Returns:
        A functional model from "input", in [-1, 1], and "mask", shape (height, width, 1), 1 where
        it is to be filled and 0 elsewhere, to "image", float32, in [-1, 1].
    """
    init = Initializers(seed)
    image = keras.Input(input_shape, name="input")
    mask = keras.Input((*input_shape[:2], 1), name="mask")

    def convolved(
        y: keras.KerasTensor, filters: int, size: int = 3, stride: int = 1, dilation: int = 1
    ) -> keras.KerasTensor:
        y = layers.Conv2D(
            filters,
            size,
            stride,
            "same",
            dilation_rate=dilation,
            use_bias=norm == "none",
            kernel_initializer=init.glorot(),
        )(y)
        return layers.ReLU()(normalised(y, norm))

    def enlarged(y: keras.KerasTensor, filters: int) -> keras.KerasTensor:
        y = layers.Conv2DTranspose(
            filters,
            4,
            2,
            "same",
            use_bias=norm == "none",
            kernel_initializer=init.glorot(),
        )(y)
        return layers.ReLU()(normalised(y, norm))

    x = convolved(Hidden()([image, mask]), width, 5)
    x = convolved(convolved(x, 2 * width, stride=2), 2 * width)
    x = convolved(convolved(x, 4 * width, stride=2), 4 * width)
    for dilation in DILATIONS:
        x = convolved(x, 4 * width, dilation=dilation)
    x = convolved(convolved(x, 4 * width), 4 * width)
    x = convolved(enlarged(x, 2 * width), 2 * width)
    x = convolved(enlarged(x, width), max(1, width // 2))
    x = layers.Conv2D(
        input_shape[-1],
        3,
        padding="same",
        kernel_initializer=init.glorot(),
        dtype="float32",
    )(x)
    made = layers.Activation("tanh", dtype="float32")(x)
    whole = Filled(dtype="float32", name="image")([image, mask, made])
    return keras.Model([image, mask], whole, name="generator")


def discriminator(
    image_shape: tuple[int, int, int], local_size: int, *, width: int, seed: int
) -> keras.Model:
    """One part sees the whole image, one the surroundings of what was filled.

    Args:
        image_shape: (height, width, channels).
        local_size: edge of the surroundings.
        width: channels of the first layers.
        seed: of the initial weights.

    Returns:
        A functional model from "image" and "local", shape (local_size, local_size, channels), to a
        logit, float32, shape (1,).
    """
    init = Initializers(seed)
    image = keras.Input(image_shape, name="image")
    local = keras.Input((local_size, local_size, image_shape[-1]), name="local")

    def features(x: keras.KerasTensor) -> keras.KerasTensor:
        filters, first = width, True
        while x.shape[1] > 4:
            x = layers.Conv2D(
                filters, 5, 2, "same", use_bias=first, kernel_initializer=init.normal()
            )(x)
            x = layers.LeakyReLU(0.2)(normalised(x, "none" if first else "batch"))
            filters, first = min(8 * width, 2 * filters), False
        x = layers.Flatten()(x)
        return layers.Dense(16 * width, kernel_initializer=init.glorot())(x)

    x = layers.Concatenate()([features(image), features(local)])
    logits = layers.Dense(1, kernel_initializer=init.glorot(), dtype="float32", name="logits")(
        layers.LeakyReLU(0.2)(x)
    )
    return keras.Model([image, local], logits, name="discriminator")
