"""PatchGAN (Isola et al. 2016, arXiv:1611.07004): a discriminator with a logit for each patch."""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.networks.layers import ImageShape, LayerMaker

HALVINGS = {16: 1, 34: 2, 70: 3}
"""Edge of the patches -> number of convolutions that halve the size."""


def discriminator(
    image_shape: ImageShape,
    patch: int,
    make: LayerMaker,
    *,
    input_channels: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """4x4 convolutions, the first ones of stride 2, two more of stride 1.

    Args:
        image_shape: (height, width, channels).
        patch: one of `HALVINGS`.
        make: makes the layers; the first and the last have no norm.
        input_channels: channels of a second image, the generator's input; 0 for none.
        name: name of the model.

    Returns:
        A model from "image", and where there are input channels "input", to logits, float32, one
        for each patch, shape (height / 2^n, width / 2^n, 1).
    """
    inputs = x = keras.Input(image_shape, name="image")
    if input_channels:
        source = keras.Input((*image_shape[:2], input_channels), name="input")
        inputs = [x, source]
        x = layers.Concatenate()([source, x])
    for level in range(HALVINGS[patch] + 1):
        norm = make.norm if level else "none"
        filters, stride = make.channels * min(8, 2**level), 2 if level < HALVINGS[patch] else 1
        x = make.block(x, filters, 4, stride, norm=norm, leaky=True)
    logits = make.conv(1, 4, init="normal", dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=name)
