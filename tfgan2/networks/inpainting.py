"""The networks of Iizuka et al. 2017 (SIGGRAPH, doi:10.1145/3072959.3073659) for inpainting."""

from __future__ import annotations

from typing import Any

import keras
from keras import KerasTensor, layers, ops

from tfgan2.networks.layers import AnyShape, ImageShape, LayerMaker, output

DILATIONS = (2, 4, 8, 16)


def generator(input_shape: AnyShape, make: LayerMaker) -> keras.Model:
    """Convolutions at half and a quarter of the size, dilated ones in the middle.

    The middle has four times the base channels. Heights and widths are multiples of 4. The paper
    has one convolution more before the dilated ones, and a sigmoid at the end.

    Returns:
        A model from "input", in [-1, 1], and "mask", shape (height, width, 1), 1 where to fill and
        0 elsewhere, to "image", float32, in [-1, 1].
    """
    image = keras.Input(input_shape, name="input")
    mask = keras.Input((*input_shape[:2], 1), name="mask")
    base = make.channels

    def conv(x: KerasTensor, filters: int, size: int = 3, **settings: Any) -> KerasTensor:
        return make.block(x, filters, size, init="glorot", **settings)

    def upsample(x: KerasTensor, filters: int) -> KerasTensor:
        return make.block(x, filters, 4, 2, transposed=True, init="glorot")

    hidden = mask > 0.5
    visible = ops.where(hidden, ops.zeros_like(image), image)
    x = conv(ops.concatenate([visible, mask], axis=-1), base, 5)
    x = conv(conv(x, 2 * base, stride=2), 2 * base)
    x = conv(conv(x, 4 * base, stride=2), 4 * base)
    for dilation in DILATIONS:
        x = conv(x, 4 * base, dilation_rate=dilation)
    x = conv(conv(x, 4 * base), 4 * base)
    x = conv(upsample(x, 2 * base), 2 * base)
    x = conv(upsample(x, base), max(1, base // 2))
    x = make.conv(input_shape[-1], 3, dtype="float32")(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    filled = output(ops.where(hidden, x, image), "linear")
    return keras.Model([image, mask], filled, name="generator")


def discriminator(
    image_shape: ImageShape, local_size: tuple[int, int], make: LayerMaker
) -> keras.Model:
    """One branch for the whole image, one for the surroundings of the hole.

    Returns:
        A model from "image" and "local", shape (*local_size, channels), to a logit, float32, shape
        (1,).
    """
    image = keras.Input(image_shape, name="image")
    local = keras.Input((*local_size, image_shape[-1]), name="local")

    def features(x: KerasTensor) -> KerasTensor:
        filters, norm = make.channels, "none"
        while max(x.shape[1:3]) > 4:
            x = make.block(x, filters, 5, 2, norm=norm, leaky=True)
            filters, norm = min(8 * make.channels, 2 * filters), "batch"
        return make.dense(16 * make.channels)(layers.Flatten()(x))

    x = layers.Concatenate()([features(image), features(local)])
    logits = make.dense(1, dtype="float32", name="logits")(layers.LeakyReLU(0.2)(x))
    return keras.Model([image, local], logits, name="discriminator")
