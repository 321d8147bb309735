"""The networks of Huang et al. 2024 (arXiv:2501.05441), from a learned basis to the image and back.

At each size there are residual blocks of a 1x1, a grouped 3x3 and a 1x1 convolution, between twice
as many channels as the features have, with bias and LeakyReLU 0.2. There is no normalization:
instead, blocks begin as the identity (Zhang et al. 2019, arXiv:1901.09321). The number of channels
doubles where the size halves, up to the largest; 1x1 convolutions adapt it.
"""

from __future__ import annotations

import math

from keras import KerasTensor, layers, ops

from tfgan2.networks.layers import ImageShape, LayerMaker
from tfgan2.networks.sizes import halvings
from tfgan2.nn.resampling import Basis, Downsampled, Upsampled

EXPANSION = 2
SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""With weights of this gain, LeakyReLU keeps the variance (He et al. 2015)."""


def group_count(channels: int, group_size: int) -> int:
    """The largest number of equal groups of at least `group_size` channels, or 1."""
    most = max(1, channels // group_size)
    return next(count for count in range(most, 0, -1) if channels % count == 0)


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """A learned basis of 4x4 or so, scaled by the latents, then blocks and upsampling."""
    halved = halvings(image_shape, "network=r3gan")
    channels = make.level_channels(halved + 1)
    depth = make.blocks * len(channels)
    x = make.dense(channels[-1], init=make.scaled(), use_bias=False)(x)
    x = layers.Reshape((1, 1, channels[-1]))(x)
    x = Basis((image_shape[0] >> halved, image_shape[1] >> halved), make.normal(1.0))(x)
    for level in reversed(range(len(channels))):
        if level < halved:
            # It commutes with the upsampling, and is four times cheaper before it.
            x = Upsampled()(_adapt(x, channels[level], make))
        for _ in range(make.blocks):
            x = _block(x, depth, make)
    return make.conv(image_shape[-1], 1, init=make.scaled(), dtype="float32")(x)


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """Blocks and downsampling, then a learned basis of 4x4 or so and the sum over the pixels."""
    halved = halvings(x.shape[1:], "network=r3gan")
    channels = make.level_channels(halved + 1)
    depth = make.blocks * len(channels)
    x = make.conv(channels[0], 1, init=make.scaled())(x)
    for level, filters in enumerate(channels):
        if level:
            x = _adapt(Downsampled()(x), filters, make)
        for _ in range(make.blocks):
            x = make.end_block(_block(x, depth, make))
    size = x.shape[1:3]
    basis = Basis(size, make.normal(math.prod(size) ** -0.5), dtype="float32")
    return make.dropout(ops.sum(basis(x), axis=(1, 2)))


def _adapt(x: KerasTensor, filters: int, make: LayerMaker) -> KerasTensor:
    if x.shape[-1] == filters:
        return x
    return make.conv(filters, 1, init=make.scaled(), use_bias=False)(x)


def _block(x: KerasTensor, depth: int, make: LayerMaker) -> KerasTensor:
    """A residual block of a network of `depth` blocks, at first the identity.

    The last of its m = 3 convolutions begins at zero, the others with depth^(-1 / (2 m - 2)) times
    their gain, so that the first updates change the output alike at any depth.
    """
    channels = x.shape[-1]
    inner, gain = EXPANSION * channels, GAIN * depth**-0.25
    groups = group_count(inner, make.group_size)
    y = make.conv(inner, 1, init=make.scaled(gain))(x)
    y = layers.LeakyReLU(SLOPE)(y)
    y = make.conv(inner, 3, groups=groups, init=make.scaled(gain))(y)
    y = layers.LeakyReLU(SLOPE)(y)
    y = make.conv(channels, 1, init=make.scaled(0.0), use_bias=False)(y)
    return layers.Add()([x, y])
