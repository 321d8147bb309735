"""The networks of Liu et al. 2021 (arXiv:2101.04775), for any size.

The generator doubles the size with nearest upsampling, a 3x3 convolution, batch norm and a gated
linear unit. Small feature maps excite the channels of larger ones, which shortens the way of the
gradient. The discriminator halves it with residual blocks; for the flavour `fastgan` it also gives
its last two feature maps, and decoders make images of them.
"""

from __future__ import annotations

import math

import keras
from keras import KerasTensor, layers

from tfgan2.networks.layers import ImageShape, LayerMaker, crop_to, output, size_of
from tfgan2.networks.sizes import Size, sizes_down
from tfgan2.nn.layers import GatedLinearUnit

_FARTHEST = 4
"""Halvings between the maps of an excitation, in the paper; fewer where that leaves one alone."""


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """The generator; channels double where the size halves."""
    sizes = sizes_down(image_shape[:2], 7)
    channels = make.level_channels(len(sizes))
    base, depth = sizes[-1], channels[-1]
    x = make.dense(math.prod(base) * 2 * depth, init="normal", use_bias=False)(x)
    x = layers.Reshape((*base, 2 * depth))(x)
    x = GatedLinearUnit()(make.normalize(x, "batch"))
    maps, apart = [x], min(_FARTHEST, max(1, len(sizes) - 2))
    for size, filters in zip(sizes[-2::-1], channels[-2::-1], strict=True):
        x = _block_up(x, size, filters, make)
        if len(maps) >= apart:
            x = excite(maps[-apart], x, make)
        maps.append(x)
    return make.conv(image_shape[-1], 3, init="normal")(x)


def _block_up(x: KerasTensor, size: Size, filters: int, make: LayerMaker) -> KerasTensor:
    x = crop_to(layers.UpSampling2D(2)(x), size)
    x = make.conv(2 * filters, 3, init="normal", use_bias=False)(x)
    return GatedLinearUnit()(make.normalize(x, "batch"))


def excite(small: KerasTensor, large: KerasTensor, make: LayerMaker) -> KerasTensor:
    """Skip-layer excitation: multiplies each channel of a large map by a gate from a small one.

    The small map is averaged down to edges of 4…7; one convolution brings these to 1x1, another to
    the channels of the large map.
    """
    x = small
    while max(size_of(x)) > 7:
        pool = tuple(2 if edge > 7 else 1 for edge in size_of(x))
        x = layers.AveragePooling2D(pool, padding="same")(x)
    x = make.conv(large.shape[-1], size_of(x), init="normal", padding="valid")(x)
    x = make.conv(large.shape[-1], 1, init="normal")(layers.LeakyReLU(0.1)(x))
    return layers.Multiply()([large, layers.Activation("sigmoid")(x)])


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """The discriminator's last feature map."""
    return make.dropout(layers.Flatten()(_encoder(x, make)[-1]))


def _encoder(x: KerasTensor, make: LayerMaker) -> tuple[KerasTensor, KerasTensor]:
    """The last two feature maps: of 16x16 and 8x8 where the edge is a power of 2, 32 or more.

    Channels double where the size halves, up to 8 times the base channels or more.
    """
    halvings = max(2, len(sizes_down(size_of(x), 8)) - 1)
    least = max(0, 4 - halvings)
    first, *others = make.level_channels(least + halvings)[least:]
    x = layers.LeakyReLU(0.2)(make.conv(first, 4, 2, init="normal")(x))
    x = before = make.end_block(x)
    for filters in others:
        before, x = x, make.end_block(_block_down(x, filters, make))
    return before, x


def _block_down(x: KerasTensor, filters: int, make: LayerMaker) -> KerasTensor:
    y = make.block(make.block(x, filters, 4, 2, leaky=True), filters, 3, leaky=True)
    shortcut = layers.AveragePooling2D(2, padding="same")(x)
    return layers.Average()([y, make.block(shortcut, filters, 1, leaky=True)])


def discriminator(image_shape: ImageShape, make: LayerMaker, packing: int = 1) -> keras.Model:
    """Builds the discriminator that the flavour `fastgan` decodes.

    Returns:
        A model from "image", (height, width, packing * channels), to a dict: "logits", float32, one
        for each patch; "part" and "whole", the last but one and the last feature map.
    """
    height, width, channels = image_shape
    image = keras.Input((height, width, channels * packing), name="image")
    part, whole = _encoder(image, make)
    x = make.block(whole, whole.shape[-1], 1, leaky=True)
    rows, columns = size_of(x)
    patch = (min(4, rows), min(4, columns))
    x = make.conv(1, patch, init="normal", padding="valid", dtype="float32", name="logits")(
        make.dropout(x)
    )
    model = keras.Model(image, {"logits": x, "part": part, "whole": whole}, name="discriminator")
    make.seed_power_iterations(model)
    return model


def decoders(discriminator: keras.Model, make: LayerMaker) -> keras.Model:
    """Builds the decoders of the discriminator's feature maps.

    Returns:
        A model from "part", a crop of the map "part" of the size of "whole", and "whole", to images
        of half of the height and width by the same names, float32 in [-1, 1].
    """
    part, whole = (discriminator.output[name] for name in ("part", "whole"))
    doublings = round(math.log2(discriminator.input.shape[1] / part.shape[1]))
    inputs, images = [], {}
    for name, channels in (("part", part.shape[-1]), ("whole", whole.shape[-1])):
        x = keras.Input((*size_of(whole), channels), name=name)
        inputs.append(x)
        for level in range(doublings):
            height, width = size_of(x)
            filters = max(channels >> level + 2, make.channels)
            x = _block_up(x, (2 * height, 2 * width), filters, make)
        x = make.conv(discriminator.input.shape[-1], 3, init="normal")(x)
        images[name] = output(x, name=f"image_of_{name}")
    return keras.Model(inputs, images, name="decoders")
