"""The convolutional networks of Radford et al. 2015 (arXiv:1511.06434), for any size.

Going down, a strided convolution maps an edge n to ceil(n / 2). Going up, the same sizes come in
reverse, and where an edge is odd the last row or column is cropped. Small images, which few
halvings bring down, get 3x3 convolutions without a stride at the smallest size: fewer than three
layers of features draw whole digits less well.
"""

from __future__ import annotations

import math
from itertools import pairwise

from keras import KerasTensor, layers

from tfgan2.networks.layers import ImageShape, LayerMaker, crop_to, size_of
from tfgan2.networks.sizes import Size, sizes_down


def layer_sizes(size: Size) -> list[Size]:
    """The sizes between the layers: halved until the smaller edge is 4…7, at least three layers.

    Two equal neighbours stand for a convolution without a stride. The edges of
    layer_sizes((64, 64)) are 64, 32, 16, 8, 4, those of layer_sizes((28, 28)) are 28, 14, 7, 7.
    """
    sizes = sizes_down(size, 7)
    return sizes + sizes[-1:] * (4 - len(sizes))


def layer_channels(sizes: list[Size], make: LayerMaker) -> list[int]:
    """Channels of each layer of features: they double where the size halves."""
    channels = [make.channels]
    for size, smaller in pairwise(sizes[1:]):
        channels.append(min(channels[-1] * (2 if smaller < size else 1), make.max_channels))
    return channels


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """Transposed 4x4 convolutions with stride 2, batch norm and ReLU.

    4x4 where the paper has 5x5: a kernel that the stride divides leaves no checkerboard (Odena et
    al. 2016).
    """
    sizes = layer_sizes(image_shape[:2])
    channels = layer_channels(sizes, make)
    base, depth = sizes[-1], channels[-1]
    x = make.dense(math.prod(base) * depth, init="normal", use_bias=False)(x)
    x = layers.Reshape((*base, depth))(x)
    x = layers.ReLU()(make.normalize(x, "batch"))
    for size, filters in zip(sizes[-2:0:-1], channels[-2::-1], strict=True):
        if size_of(x) == size:
            x = make.block(x, filters, 3, norm="batch")
        else:
            x = make.conv_transpose(filters, 4, init="normal", use_bias=False)(x)
            x = layers.ReLU()(make.normalize(crop_to(x, size), "batch"))
        x = make.attend(x)
    return crop_to(make.conv_transpose(image_shape[-1], 4, init="normal")(x), sizes[0])


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """4x4 convolutions with stride 2, a norm in all but the first, LeakyReLU 0.2."""
    sizes = layer_sizes(size_of(x))
    steps = zip(layer_channels(sizes, make), pairwise(sizes), strict=True)
    for level, (filters, (size, smaller)) in enumerate(steps):
        kernel, stride = (3, 1) if size == smaller else (4, 2)
        norm = make.norm if level else "none"
        x = make.block(x, filters, kernel, stride, norm=norm, leaky=True)
        x = make.end_block(make.attend(x))
    return make.dropout(layers.Flatten()(x))
