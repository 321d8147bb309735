"""The residual networks of Miyato et al. 2018 (arXiv:1802.05957, table 4), for any size.

For 32x32 the paper has 256 channels in the generator and 128 in the discriminator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras import KerasTensor, layers

from tfgan2.networks.layers import ImageShape, LayerMaker, crop_to, size_of
from tfgan2.networks.sizes import Size, sizes_down


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """A dense layer, residual blocks that each double the size, batch norm and ReLU before each."""
    sizes = sizes_down(image_shape[:2], 7)
    return decoder_of(x, image_shape, make, [make.channels] * len(sizes))


def decoder_of(
    x: KerasTensor,
    image_shape: ImageShape,
    make: LayerMaker,
    channels: Sequence[int],
    init: str = "glorot",
) -> KerasTensor:
    """The same with the channels of the dense layer and of each block; `init` as in `make.conv`."""
    sizes = sizes_down(image_shape[:2], 7)
    x = make.dense(math.prod(sizes[-1]) * channels[0], init=init)(x)
    x = layers.Reshape((*sizes[-1], channels[0]))(x)
    for size, filters in zip(sizes[-2::-1], channels[1:], strict=True):
        make.begin_block()
        x = make.attend(_block_up(x, size, filters, make, init))
    x = layers.ReLU()(make.normalize(x, "batch", conditional=False))
    return make.conv(image_shape[-1], 3, init=init)(x)


def _block_up(x: KerasTensor, size: Size, filters: int, make: LayerMaker, init: str) -> KerasTensor:
    def upsample(y: KerasTensor) -> KerasTensor:
        return crop_to(layers.UpSampling2D(2)(y), size) if size_of(y) != size else y

    y = upsample(layers.ReLU()(make.normalize(x, "batch")))
    y = make.conv(filters, 3, init=init)(y)
    y = make.conv(filters, 3, init=init)(layers.ReLU()(make.normalize(y, "batch")))
    # A 1x1 convolution commutes with nearest upsampling, and is four times cheaper before it.
    return layers.Add()([y, upsample(make.conv(filters, 1, init=init)(x))])


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """Residual blocks that halve the size down to 8 or less, two more, ReLU, sum over the pixels.

    A norm before each convolution but the first; the paper has none.
    """
    halvings = len(sizes_down(size_of(x), 8)) - 1
    return features_of(x, make, halvings, [make.channels] * (halvings + 2))


def features_of(
    x: KerasTensor, make: LayerMaker, halvings: int, channels: Sequence[int], init: str = "glorot"
) -> KerasTensor:
    """The same with the number of blocks that halve the size, and the channels of all blocks."""

    def downsample(y: KerasTensor) -> KerasTensor:
        return layers.AveragePooling2D(2, padding="same")(y)

    for level, filters in enumerate(channels):
        first, halve = level == 0, level < halvings
        y = x if first else layers.ReLU()(make.normalize(x))
        y = layers.ReLU()(make.normalize(make.conv(filters, 3, init=init)(y)))
        y = make.conv(filters, 3, init=init)(y)
        shortcut = x
        if halve or filters != x.shape[-1]:
            shortcut = make.conv(filters, 1, init=init)(downsample(x) if halve else x)
        x = layers.Add()([downsample(y) if halve else y, shortcut])
        x = make.end_block(make.attend(x))
    # The sum in float32: 64 pixels of float16 features are near its limit.
    x = layers.ReLU(dtype="float32")(x)
    pixels = math.prod(size_of(x))
    x = layers.GlobalAveragePooling2D(dtype="float32")(x)
    return make.dropout(layers.Rescaling(float(pixels), dtype="float32")(x))
