"""The networks for CIFAR-10 frogs of Chollet's "Deep Learning with Python", for any size."""

from __future__ import annotations

import math

from keras import KerasTensor, layers

from tfgan2.networks.layers import ImageShape, LayerMaker, crop_to, size_of
from tfgan2.networks.sizes import sizes_down


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """5x5 convolutions with LeakyReLU, no batch norm.

    At 32x32 it is the book's: 16x16 features, one transposed 4x4 convolution, three 5x5 and a 7x7
    convolution. Larger images get further transposed convolutions, smaller ones start smaller.
    """
    sizes = sizes_down(image_shape[:2], 16)
    if len(sizes) == 1:
        sizes = sizes_down(sizes[0], min(sizes[0]) - 1)
    base, filters = sizes[-1], 2 * make.channels
    x = layers.LeakyReLU(0.3)(make.dense(math.prod(base) * make.channels)(x))
    x = layers.Reshape((*base, make.channels))(x)
    x = layers.LeakyReLU(0.3)(make.conv(filters, 5)(x))
    for size in sizes[-2::-1]:
        x = layers.LeakyReLU(0.3)(crop_to(make.conv_transpose(filters, 4)(x), size))
    for _ in range(2):
        x = layers.LeakyReLU(0.3)(make.conv(filters, 5)(x))
    return make.conv(image_shape[-1], 7)(x)


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """A 3x3 convolution, strided 4x4 ones, LeakyReLU, a norm in all but the first.

    Padded, where the book's is not, so that it works from 8x8 on.
    """
    x = make.end_block(layers.LeakyReLU(0.3)(make.conv(make.channels, 3)(x)))
    for _ in sizes_down(size_of(x), 4)[1:]:
        x = layers.LeakyReLU(0.3)(make.normalize(make.conv(make.channels, 4, 2)(x)))
        x = make.end_block(x)
    return make.dropout(layers.Flatten()(x))
