"""Generators for phones: depthwise-separable convolutions, Howard et al. 2017 (arXiv:1704.04861).

At every size two of them, the second with a shortcut. A separable convolution of C channels has
C * (C + 9) weights where a plain 3x3 convolution has 9 * C * C. The discriminator, which no phone
needs, is that of `tfgan2.networks.dcgan`.
"""

from __future__ import annotations

import math

import keras
from keras import KerasTensor, layers

from tfgan2.networks.dcgan import features
from tfgan2.networks.layers import AnyShape, ImageShape, LayerMaker, crop_to, output, size_of
from tfgan2.networks.sizes import sizes_down
from tfgan2.networks.unet import DROPOUT_LAYERS

__all__ = ["decoder", "features", "translator"]

MAX_DEPTH = 5
"""Halvings of a translator's images at most."""


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """A small dense layer, then at each size upsampling and two separable convolutions.

    Channels double where the size halves, up to `max_channels`. The dense layer, in which a large
    share of the weights would be, has a quarter of the channels of what follows it.
    """
    sizes = sizes_down(image_shape[:2], 7)
    channels = make.level_channels(len(sizes))
    depth = -(-channels[-1] // 4)
    x = make.dense(math.prod(sizes[-1]) * depth, init="normal")(x)
    x = make.block(layers.Reshape((*sizes[-1], depth))(x), channels[-1], 1, norm="batch")
    for size, filters in zip(reversed(sizes), reversed(channels), strict=True):
        if size_of(x) != size:
            x = crop_to(layers.UpSampling2D(2)(x), size)
        x = _separable(x, filters, make)
        x = layers.Add()([x, _separable(x, filters, make)])
    return make.conv(image_shape[-1], 3)(x)


def translator(input_shape: AnyShape, channels: int, depth: int, make: LayerMaker) -> keras.Model:
    """A small U-Net, of the sizes and channels of `tfgan2.networks.unet`.

    Returns:
        A model from "input" to "image", float32, in [-1, 1].
    """
    image = x = keras.Input(input_shape, name="input")
    filters = make.level_channels(depth)
    x = make.block(x, filters[0], 3, 2, norm="batch")
    skips = [x]
    for number in filters[1:]:
        x = _separable(x, number, make, stride=2)
        skips.append(x)
    x = layers.Add()([x, _separable(x, filters[-1], make)])
    for index, skip in enumerate(reversed(skips[:-1])):
        x, number = layers.UpSampling2D(2)(x), skip.shape[-1]
        x = _separable(layers.Concatenate()([x, skip]), number, make)
        x = make.dropout(x) if index < DROPOUT_LAYERS else x
        x = layers.Add()([x, _separable(x, number, make)])
    x = _separable(layers.UpSampling2D(2)(x), filters[0], make)
    return keras.Model(image, output(make.conv(channels, 3)(x)), name="generator")


def _separable(x: KerasTensor, filters: int, make: LayerMaker, *, stride: int = 1) -> KerasTensor:
    """A 3x3 convolution of each channel, then a 1x1 convolution, each with batch norm and ReLU."""
    x = layers.ReLU()(make.normalize(make.depthwise(3, stride)(x), "batch"))
    return make.block(x, filters, 1, norm="batch", init="glorot")
