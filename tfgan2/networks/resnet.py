"""The residual networks of Miyato et al. 2018 (arXiv:1802.05957, table 4), for any size.

For 32x32 the paper has 256 channels in the generator and 128 in the discriminator.
"""

from __future__ import annotations

import math

from keras import KerasTensor, layers

from tfgan2.networks.layers import ImageShape, LayerMaker, Size, crop_to, size_of, sizes_down


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """A dense layer, residual blocks that each double the size, batch norm and ReLU before each."""
    sizes = sizes_down(image_shape[:2], 7)
    x = make.dense(math.prod(sizes[-1]) * make.channels)(x)
    x = layers.Reshape((*sizes[-1], make.channels))(x)
    for size in sizes[-2::-1]:
        x = _block_up(x, size, make)
    return make.conv(image_shape[-1], 3)(layers.ReLU()(make.normalize(x, "batch")))


def _block_up(x: KerasTensor, size: Size, make: LayerMaker) -> KerasTensor:
    def upsample(y: KerasTensor) -> KerasTensor:
        return crop_to(layers.UpSampling2D(2)(y), size) if size_of(y) != size else y

    y = upsample(layers.ReLU()(make.normalize(x, "batch")))
    y = make.conv(make.channels, 3)(y)
    y = make.conv(make.channels, 3)(layers.ReLU()(make.normalize(y, "batch")))
    # A 1x1 convolution commutes with nearest upsampling, and is four times cheaper before it.
    return layers.Add()([y, upsample(make.conv(make.channels, 1)(x))])


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """Residual blocks that halve the size down to 8 or less, two more, ReLU, sum over the pixels.

    A norm before each convolution but the first; the paper has none.
    """

    def downsample(y: KerasTensor) -> KerasTensor:
        return layers.AveragePooling2D(2, padding="same")(y)

    halvings = len(sizes_down(size_of(x), 8)) - 1
    for level in range(halvings + 2):
        first, halve = level == 0, level < halvings
        y = x if first else layers.ReLU()(make.normalize(x))
        y = layers.ReLU()(make.normalize(make.conv(make.channels, 3)(y)))
        y = make.conv(make.channels, 3)(y)
        shortcut = x
        if first or halve:
            shortcut = make.conv(make.channels, 1)(downsample(x) if halve else x)
        x = make.end_block(layers.Add()([downsample(y) if halve else y, shortcut]))
    # The sum in float32: 64 pixels of float16 features are near its limit.
    x = layers.ReLU(dtype="float32")(x)
    pixels = math.prod(size_of(x))
    x = layers.GlobalAveragePooling2D(dtype="float32")(x)
    return make.dropout(layers.Rescaling(float(pixels), dtype="float32")(x))
