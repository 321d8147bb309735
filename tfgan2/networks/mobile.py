"""A generator for phones: depthwise-separable convolutions, Howard et al. 2017 (arXiv:1704.04861).

At every size two of them, the second with a shortcut. A separable convolution of C channels has
C * (C + 9) weights where a plain 3x3 convolution has 9 * C * C. The discriminator, which no phone
needs, is that of `tfgan2.networks.dcgan`.
"""

from __future__ import annotations

import math

from keras import KerasTensor, layers

from tfgan2.networks.dcgan import features
from tfgan2.networks.layers import ImageShape, LayerMaker, crop_to, size_of
from tfgan2.networks.sizes import sizes_down

__all__ = ["decoder", "features"]


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """A small dense layer, then at each size upsampling and two separable convolutions.

    Channels double where the size halves, up to `max_channels`. The dense layer, in which a large
    share of the weights would be, has a quarter of the channels of what follows it.
    """
    sizes = sizes_down(image_shape[:2], 7)
    channels = [min(make.channels * 2**level, make.max_channels) for level in range(len(sizes))]
    depth = -(-channels[-1] // 4)
    x = make.dense(math.prod(sizes[-1]) * depth, init="normal")(x)
    x = make.block(layers.Reshape((*sizes[-1], depth))(x), channels[-1], 1, norm="batch")
    for size, filters in zip(reversed(sizes), reversed(channels), strict=True):
        if size_of(x) != size:
            x = crop_to(layers.UpSampling2D(2)(x), size)
        x = _separable(x, filters, make)
        x = layers.Add()([x, _separable(x, filters, make)])
    return make.conv(image_shape[-1], 3)(x)


def _separable(x: KerasTensor, filters: int, make: LayerMaker) -> KerasTensor:
    """A 3x3 convolution of each channel, then a 1x1 convolution, each with batch norm and ReLU."""
    x = layers.ReLU()(make.normalize(make.depthwise(3)(x), "batch"))
    return make.block(x, filters, 1, norm="batch", init="glorot")
