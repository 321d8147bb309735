"""The networks of Ledig et al. 2016 (arXiv:1609.04802) for super-resolution."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers, ops

from tfgan2.networks.layers import AnyShape, ImageShape, LayerMaker, output


def generator(input_shape: AnyShape, scale: int, blocks: int, make: LayerMaker) -> keras.Model:
    """Residual blocks at the small size, then a pixel shuffle for each doubling.

    Returns:
        A model from "input" to "image", float32, in [-1, 1], `scale` (2 or 4) times as large.
    """
    image = keras.Input(input_shape, name="input")

    def conv(x: KerasTensor) -> KerasTensor:
        return make.conv(make.channels, 3)(x)

    def prelu(x: KerasTensor) -> KerasTensor:
        return layers.PReLU(shared_axes=[1, 2])(x)

    start = x = prelu(make.conv(make.channels, 9)(image))
    for _ in range(blocks):
        y = prelu(make.normalize(conv(x)))
        x = layers.Add()([x, make.normalize(conv(y))])
    x = layers.Add()([start, make.normalize(conv(x))])
    for _ in range(scale // 2):
        x = prelu(ops.nn.depth_to_space(make.conv(4 * make.channels, 3)(x), 2))
    return keras.Model(image, output(make.conv(input_shape[-1], 9)(x)), name="generator")


def discriminator(image_shape: ImageShape, make: LayerMaker) -> keras.Model:
    """3x3 convolutions, every second one of stride 2, four such pairs, and a hidden layer.

    The channels double from pair to pair. A model from "image" to a logit, float32, shape (1,).
    """
    image = x = keras.Input(image_shape, name="image")
    for level in range(4):
        for stride in (1, 2):
            norm = "none" if level == 0 and stride == 1 else "batch"
            filters = make.channels * 2**level
            x = make.block(x, filters, 3, stride, norm=norm, leaky=True, init="glorot")
    x = layers.LeakyReLU(0.2)(make.dense(16 * make.channels)(layers.Flatten()(x)))
    logits = make.dense(1, dtype="float32", name="logits")(x)
    return keras.Model(image, logits, name="discriminator")
