"""The networks of Karras et al. 2020 (arXiv:1912.04958), for images of many shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import keras
from keras import KerasTensor, layers, ops

from tfgan2.errors import UserError
from tfgan2.images import is_points
from tfgan2.networks.layers import ImageShape, LayerMaker, output, projection
from tfgan2.networks.sizes import halvings
from tfgan2.nn.equalized import EqualizedConv2D, EqualizedDense
from tfgan2.nn.layers import ImageRange
from tfgan2.nn.resampling import Upsampled
from tfgan2.nn.style import (
    Constant,
    MinibatchDeviation,
    ModulatedConv2D,
    Noise,
    Normalized,
    StyleMean,
    Truncation,
)

SMALLEST, LARGEST = 4, 256
GAIN = math.sqrt(2.0)
"""Gain of layers that LeakyReLU follows."""
POINT_LAYERS = 3


def doublings(image_shape: ImageShape) -> int:
    """Returns how often the learned constant is doubled, whose smaller edge is 4 to 7.

    Raises:
        UserError: an edge below 4 or above 256, or one that cannot be halved as often as needed.
    """
    height, width, _ = image_shape
    if min(height, width) < SMALLEST or max(height, width) > LARGEST:
        raise UserError(
            f"stylegan2 makes images with edges of {SMALLEST} to {LARGEST} pixels, not "
            f"{height}x{width}: give --image-size"
        )
    return halvings(image_shape, "stylegan2")


def dense(make: LayerMaker, units: int, *, bias: float = 0.0, **settings: Any) -> EqualizedDense:
    rate = settings.get("learning_rate", 1.0)
    return EqualizedDense(
        units,
        kernel_initializer=make.normal(1.0 / rate),
        bias_initializer=keras.initializers.Constant(bias / rate),
        **{"dtype": "float32", **settings},
    )


def mapping(
    latent_dim: int, depth: int, rate: float, make: LayerMaker, num_labels: int
) -> keras.Model:
    """From "z", and with labels "label", to "w", float32, shape (latent_dim,)."""
    inputs = x = keras.Input((latent_dim,), name="z")
    x = Normalized(dtype="float32")(x)
    if num_labels:
        label = keras.Input((), dtype="int32", name="label")
        inputs = [inputs, label]
        y = layers.Embedding(num_labels, latent_dim, make.normal(1.0), dtype="float32")(label)
        x = layers.Concatenate(dtype="float32")([x, Normalized(dtype="float32")(y)])
    for _ in range(depth):
        x = dense(make, latent_dim, gain=GAIN, learning_rate=rate)(x)
        x = layers.LeakyReLU(0.2, dtype="float32")(x)
    return keras.Model(inputs, x, name="mapping")


class Synthesis:
    """The layers that turn styles into an image; called on tensors or on Keras' inputs.

    Attributes:
        noise_shapes: shapes of the noise of each layer that has any, (height, width, 1).
        num_styles: number of styles, one for each layer; a layer to RGB shares the next one's.
    """

    def __init__(self, image_shape: ImageShape, noise: str, make: LayerMaker) -> None:
        """`noise` is "fixed", "mean" or "none", see `tfgan2.models.stylegan2`."""
        self.image_shape, self.points = image_shape, is_points(image_shape)
        self.noise_shapes: list[tuple[int, int, int]] = []
        if self.points:
            self.num_styles, self._to_points = 1, dense(make, image_shape[-1])
            self._reshape = layers.Reshape(image_shape, dtype="float32")
            return
        channels = make.level_channels(doublings(image_shape) + 1)[::-1]
        self.num_styles = 2 * len(channels)
        height, width = (edge >> (len(channels) - 1) for edge in image_shape[:2])
        self._constant = Constant((height, width, channels[0]), make.normal(1.0))
        self._blocks = []
        for level, (inputs, filters) in enumerate(zip([0, *channels], channels, strict=False)):
            first = [self._styled(inputs, filters, noise, make, upsample=True)] if level else []
            convs = [*first, self._styled(filters, filters, noise, make)]
            to_image = _Styled(
                dense(make, filters, bias=1.0),
                ModulatedConv2D(
                    image_shape[-1], 1, demodulate=False, kernel_initializer=make.normal(1.0)
                ),
            )
            self._blocks.append((convs, to_image, Upsampled(dtype="float32")))
            if noise != "none":
                self.noise_shapes += [(height << level, width << level, 1)] * len(convs)

    def _styled(
        self, inputs: int, filters: int, noise: str, make: LayerMaker, upsample: bool = False
    ) -> _Styled:
        conv = ModulatedConv2D(
            filters, 3, upsample=upsample, gain=GAIN, kernel_initializer=make.normal(1.0)
        )
        added = None
        if noise != "none":
            initializer = make.normal(1.0)
            added = Noise(constant=noise == "fixed", gain=GAIN, initializer=initializer)
        return _Styled(dense(make, inputs, bias=1.0), conv, added, layers.LeakyReLU(0.2))

    def __call__(self, styles: Sequence[Any], noises: Sequence[Any] | None = None) -> Any:
        """Images, float32, not bounded, from `num_styles` styles, shape (B, D) each.

        `noises` are of the shapes (B, *shape) for each of `noise_shapes`; None: that of samples.
        """
        if self.points:
            return self._reshape(self._to_points(styles[0]))
        each = iter(noises or [None] * self.num_styles)
        x, image, used = self._constant(styles[0]), None, 0
        for convs, to_image, upsampled in self._blocks:
            for conv in convs:
                noise = next(each) if conv.noise is not None else None
                x, used = conv(x, styles[used], noise), used + 1
            rgb = ops.cast(to_image(x, styles[used]), "float32")
            image = rgb if image is None else upsampled(image) + rgb
        return image


class _Styled:
    """A modulated convolution, its style, noise and activation."""

    def __init__(self, style: Any, conv: Any, noise: Any = None, activation: Any = None) -> None:
        self.style, self.conv, self.noise, self.activation = style, conv, noise, activation

    def __call__(self, x: Any, w: Any, noise: Any = None) -> Any:
        x = self.conv(x, self.style(w))
        if self.noise is not None:
            x = self.noise(x) if noise is None else self.noise(x, noise=noise)
        return x if self.activation is None else self.activation(x)


def generator(mapper: keras.Model, synthesis: Synthesis) -> keras.Model:
    """Joins both parts of a generator: the layers "mapping", "mean_style" and "synthesis".

    Returns:
        A model from "z", and with labels "label", to "image", float32, clipped to [-1, 1]; points
        are not clipped.
    """
    w = keras.Input(mapper.output_shape[1:], name="w")
    image = synthesis([w] * synthesis.num_styles)
    image = image if synthesis.points else ImageRange(dtype="float32")(image)
    painter = keras.Model(w, output(image, "linear"), name="synthesis")
    inputs = _inputs_like(mapper)
    styles = StyleMean(dtype="float32", name="mean_style")(mapper(inputs))
    return keras.Model(inputs, painter(styles), name="generator")


def _inputs_like(model: keras.Model) -> Any:
    """New inputs of the same structure."""
    return keras.tree.map_structure(
        lambda item: keras.Input(item.shape[1:], dtype=item.dtype, name=item.name), model.input
    )


def with_truncation(generator: keras.Model) -> keras.Model:
    """A generator with one more input, "truncation", float32, shape ().

    It is the fraction of its distance from the mean that a style keeps: 0 gives the image of the
    mean style, 1 that of the generator.
    """
    mapping, synthesis = generator.get_layer("mapping"), generator.get_layer("synthesis")
    inputs, truncation = _inputs_like(generator), keras.Input((), name="truncation")
    truncate = Truncation(dtype="float32", name="truncate")
    images = synthesis(truncate([mapping(inputs), truncation]))
    model = keras.Model([*keras.tree.flatten(inputs), truncation], images)
    truncate.set_weights(generator.get_layer("mean_style").get_weights())
    return model


def discriminator(
    image_shape: ImageShape,
    make: LayerMaker,
    *,
    residual: bool,
    group: int,
    num_labels: int = 0,
    packing: int = 1,
) -> keras.Model:
    """Convolutions, two at each size, and the deviation of each group of samples at the end.

    Args:
        image_shape: (height, width, channels) of one image.
        make: makes the layers.
        residual: add a 1x1 convolution of what two convolutions get to what they make.
        group: samples in a group; divides the batch.
        num_labels: number of labels, 0 for none.
        packing: images per input, concatenated along the channels.

    Returns:
        A model from "image", (height, width, packing * channels), and with labels "label", int32,
        shape (packing,), to logits, float32, shape (1,).
    """
    inputs = x = keras.Input((*image_shape[:2], packing * image_shape[-1]), name="image")

    def conv(x: KerasTensor, filters: int, size: int, gain: float = GAIN, **settings: Any) -> Any:
        init = make.normal(1.0)
        return EqualizedConv2D(filters, size, gain=gain, kernel_initializer=init, **settings)(x)

    def active(x: KerasTensor, **settings: Any) -> KerasTensor:
        return layers.LeakyReLU(0.2, **settings)(x)

    if is_points(image_shape):
        units = make.channels
        x = layers.Flatten(dtype="float32")(x)
        for _ in range(POINT_LAYERS):
            x = make.end_block(active(dense(make, units, gain=GAIN)(x), dtype="float32"))
        x = layers.Reshape((1, 1, units), dtype="float32")(x)
    else:
        channels = make.level_channels(doublings(image_shape) + 1)
        x, units = active(conv(x, channels[0], 1)), channels[-1]
        for filters, more in pairwise(channels):
            y = active(conv(x, filters, 3))
            if residual:  # the sum of two keeps its size
                y = active(conv(y, more, 3, 1.0, downsample=True))
                settings = {"downsample": True, "use_bias": False}
                x = layers.Add()([y, conv(x, more, 1, math.sqrt(0.5), **settings)])
            else:
                x = active(conv(y, more, 3, downsample=True))
            x = make.end_block(x)
    x = MinibatchDeviation(group, dtype="float32")(x)
    if not is_points(image_shape):
        x = active(conv(x, units, 3, dtype="float32"), dtype="float32")
    x = layers.Flatten(dtype="float32")(x)
    x = active(dense(make, units, gain=GAIN)(x), dtype="float32")
    if not num_labels:
        return keras.Model(inputs, dense(make, 1, name="logits")(x), name="discriminator")
    label = keras.Input((packing,), dtype="int32", name="label")
    y = layers.Embedding(num_labels, units, make.normal(1.0), dtype="float32")(label)
    y = Normalized(dtype="float32")(y)
    logits = projection(dense(make, units)(x), y) / math.sqrt(units)
    return keras.Model([inputs, label], logits, name="discriminator")
