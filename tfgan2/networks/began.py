"""The encoder and decoder of Berthelot et al. 2017 (arXiv:1703.10717), for any size.

3x3 convolutions with ELU, two per size, and nearest upsampling.
"""

from __future__ import annotations

import math

from keras import KerasTensor, layers

from tfgan2.networks.layers import ImageShape, LayerMaker, crop_to, size_of
from tfgan2.networks.sizes import sizes_down

SMALLEST = 8


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """The same number of channels at every size."""
    sizes = sizes_down(image_shape[:2], SMALLEST)
    x = make.dense(math.prod(sizes[-1]) * make.channels)(x)
    x = layers.Reshape((*sizes[-1], make.channels))(x)
    for size in reversed(sizes):
        if size_of(x) != size:
            x = crop_to(layers.UpSampling2D(2)(x), size)
        for _ in range(2):
            x = make.conv(make.channels, 3, activation="elu")(x)
    return make.conv(image_shape[-1], 3)(x)


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """The encoder without its last layer; each halving of the size adds the base channels."""

    def conv(x: KerasTensor, filters: int, stride: int = 1, norm: str = make.norm) -> KerasTensor:
        return layers.ELU()(make.normalize(make.conv(filters, 3, stride)(x), norm))

    x = make.end_block(conv(x, make.channels, norm="none"))
    halvings = len(sizes_down(size_of(x), SMALLEST)) - 1
    for level in range(halvings + 1):
        filters = make.channels * (level + 1)
        x = conv(conv(x, filters), filters)
        if level < halvings:
            x = conv(x, filters + make.channels, 2)
        make.end_block(x)
    return make.dropout(layers.Flatten()(x))
