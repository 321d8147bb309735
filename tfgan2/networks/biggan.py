"""The residual networks of Brock et al. 2019 (arXiv:1809.11096, appendix B), for any size.

They are those of `tfgan2.networks.resnet` with other channels: in multiples of the base channels
they grow from 1 at 128x128 pixels to 16 at 4x4. Up to 32x32 the generator has 4 throughout and the
discriminator 2, as Kang et al. 2023 (arXiv:2206.09479) train it on CIFAR-10. The kernels of the
blocks, of the generator's dense layer and of its last convolution are orthogonal at first.
"""

from __future__ import annotations

from keras import KerasTensor

from tfgan2.networks import resnet
from tfgan2.networks.layers import ImageShape, LayerMaker, size_of
from tfgan2.networks.sizes import Size, sizes_down

SMALL = 32


def level_channels(size: Size, make: LayerMaker, count: int) -> list[int]:
    """Channels at `count` sizes, from that of the images down, for images above `SMALL`."""
    multiples = (1, 2, 4, 8, 8, 16, 16) if max(size) > 128 else (1, 2, 4, 8, 16, 16)
    return [min(each * make.channels, make.max_channels) for each in multiples[:count]]


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """A dense layer, residual blocks that each double the size, batch norm and ReLU before each."""
    sizes = sizes_down(image_shape[:2], 7)
    if max(image_shape[:2]) <= SMALL:
        channels = [min(4 * make.channels, make.max_channels)] * len(sizes)
    else:
        # 64x64 ends with 2, which is what 128x128 has there.
        first = max(image_shape[:2]) <= 2 * SMALL
        channels = level_channels(sizes[0], make, len(sizes) + first)[first:][::-1]
    return resnet.decoder_of(x, image_shape, make, channels, "orthogonal")


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """Residual blocks that halve the size down to 4 to 7, and one more, ReLU, sum over the pixels.

    Up to 32x32 down to 8 or less, and two more.
    """
    if max(size_of(x)) <= SMALL:
        halvings = len(sizes_down(size_of(x), 8)) - 1
        channels = [min(2 * make.channels, make.max_channels)] * (halvings + 2)
    else:
        halvings = len(sizes_down(size_of(x), 7)) - 1
        channels = level_channels(size_of(x), make, halvings + 1)
    return resnet.features_of(x, make, halvings, channels, "orthogonal")
