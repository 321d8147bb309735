"""PatchGAN (Isola et al. 2016, arXiv:1611.07004): a discriminator that judges every patch."""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.errors import UserError
from tfgan2.networks.parts import Initializers, normalised

PATCHES = {16: 1, 34: 2, 70: 3}
"""Edge of the patches that a logit sees: how many convolutions halve the size."""


def choose(patch: int, size: int) -> int:
    """The edge of the patches: as asked for, or for 0 70 as in the paper, of small images 34.

    Args:
        patch: what was asked for, one of `PATCHES` or 0.
        size: height of the images; 128 and more are not small.

    Raises:
        UserError: another patch.
    """
    patch = patch or (70 if size >= 128 else 34)
    if patch not in PATCHES:
        raise UserError(f"patch must be 16, 34 or 70, not {patch}")
    return patch


def discriminator(
    image_shape: tuple[int, int, int],
    *,
    patch: int,
    width: int,
    norm: str,
    seed: int,
    input_channels: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """4x4 convolutions, the first ones of stride 2, two more of stride 1.

    Args:
        image_shape: (height, width, channels).
        patch: one of `PATCHES`.
        width: channels of the first layer; they double, up to 8 times as many.
        norm: one of `parts.NORMS`; the first and the last layer have none.
        seed: of the initial weights.
        input_channels: of a second image that it is shown beside; 0: none.
        name: of the model.

    Returns:
        A functional model from "image", and where there are input channels "input", to logits,
        float32, one for each patch, shape (height / 2^n, width / 2^n, 1).
    """
    init = Initializers(seed)
    inputs = x = keras.Input(image_shape, name="image")
    if input_channels:
        beside = keras.Input((*image_shape[:2], input_channels), name="input")
        inputs = [x, beside]
        x = layers.Concatenate()([beside, x])
    halvings = PATCHES[patch]
    for level in range(halvings + 1):
        filters = width * min(8, 2**level)
        bias = level == 0 or norm == "none"
        stride = 2 if level < halvings else 1
        x = layers.Conv2D(
            filters, 4, stride, "same", use_bias=bias, kernel_initializer=init.normal()
        )(x)
        x = layers.LeakyReLU(0.2)(normalised(x, norm) if level else x)
    logits = layers.Conv2D(
        1,
        4,
        padding="same",
        kernel_initializer=init.normal(),
        dtype="float32",
        name="logits",
    )(x)
    return keras.Model(inputs, logits, name=name)
