"""The residual networks of `tfgan2.networks.resnet`, wider where the images are smaller.

Channels double where the size halves, as in tables 5 and 6 of Miyato et al. 2018
(arXiv:1802.05957) for images of 48x48 and 128x128: a level costs half of the one above, where equal
channels make it a quarter, and few channels at the size of the images leave many at the smallest.
"""

from __future__ import annotations

from keras import KerasTensor

from tfgan2.networks import resnet
from tfgan2.networks.layers import ImageShape, LayerMaker, size_of
from tfgan2.networks.sizes import sizes_down


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """A dense layer, residual blocks that each double the size, batch norm and ReLU before each."""
    channels = make.level_channels(len(sizes_down(image_shape[:2], 7)))
    return resnet.decoder_of(x, image_shape, make, channels[::-1])


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """Blocks that halve the size down to 8 or less, two more, ReLU, sum over the pixels."""
    halvings = len(sizes_down(size_of(x), 8)) - 1
    channels = make.level_channels(halvings + 1)
    return resnet.features_of(x, make, halvings, [*channels, channels[-1]])
