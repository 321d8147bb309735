"""Layers as the networks need them: seeded, normalized, with spectral norm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import keras
from keras import KerasTensor, layers, ops

from tfgan2.errors import UserError
from tfgan2.networks import attention
from tfgan2.networks.sizes import Size
from tfgan2.nn.convolutions import DepthwiseConv2D, GroupedConv2D
from tfgan2.nn.layers import Dropout, SpectralNormalization

ImageShape = tuple[int, int, int]
"""Height, width and channels."""
AnyShape = tuple[int | None, int | None, int]
"""The same; None for any height or width."""
Condition = Callable[[int], KerasTensor]
"""From a number of channels to a function of labels and latents, shape (B, channels)."""


class LayerMaker:
    """Makes the layers of one network, each with a seed of its own.

    Keras gives two layers of one shape the same weights for one seed.

    Attributes:
        channels: number of base channels; units of fully connected layers.
        max_channels: largest number of channels of a layer.
        norm: one of `tfgan2.models.options.NORMS`; for all layers that do not say otherwise.
        spectral: hold the kernels of `conv` and `dense` to a spectral norm of 1.
        rate: fraction of features that `dropout` drops.
        blocks: residual blocks per size, of networks that leave their number open.
        group_size: channels of a group, of networks with grouped convolutions.
        attention: edge of the features that `attend` adds self-attention to; 0: none.
        condition: what the scales and shifts of batch norms come from; None: plain variables.
        conditions: those of the next blocks of a generator, if each has its own.
        attends: true once `attend` has added self-attention.
        block_ends: the last tensor of each block of a discriminator, from the image on.
    """

    def __init__(
        self,
        seed: int,
        channels: int = 0,
        *,
        max_channels: int = 512,
        norm: str = "none",
        spectral: bool = False,
        dropout: float = 0.0,
        blocks: int = 1,
        group_size: int = 16,
        attention: int = 0,
    ) -> None:
        self._seeds = count(seed * 1000)
        self.channels = channels
        self.max_channels = max_channels
        self.norm = norm
        self.spectral = spectral
        self.rate = dropout
        self.blocks = blocks
        self.group_size = group_size
        self.attention = attention
        self.attends = False
        self.condition: Condition | None = None
        self.conditions: Iterator[Condition] = iter(())
        self.block_ends: list[KerasTensor] = []

    def seed(self) -> int:
        return next(self._seeds)

    def level_channels(self, count: int) -> list[int]:
        """Channels at `count` sizes, from the images' down: they double, up to the largest."""
        return [min(self.channels << level, self.max_channels) for level in range(count)]

    def normal(self, stddev: float = 0.02) -> keras.initializers.Initializer:
        """N(0, stddev), 0.02 as in the DCGAN paper."""
        return keras.initializers.RandomNormal(stddev=stddev, seed=self.seed())

    def orthogonal(self) -> keras.initializers.Initializer:
        """Orthogonal matrices (Saxe et al. 2014, arXiv:1312.6120)."""
        return keras.initializers.Orthogonal(seed=self.seed())

    def glorot(self) -> keras.initializers.Initializer:
        """Uniform, of the variance of Glorot and Bengio 2010."""
        return keras.initializers.GlorotUniform(self.seed())

    def scaled(self, gain: float = 1.0) -> keras.initializers.Initializer:
        """Normal, and keeps the variance if `gain`² makes up for the activation (He et al. 2015).

        A gain of 0 gives zeros, but with spectral norm small numbers: zeros have no norm.
        """
        if not gain:
            return self.normal() if self.spectral else keras.initializers.Zeros()
        return keras.initializers.VarianceScaling(
            gain**2, "fan_in", "untruncated_normal", self.seed()
        )

    def conv(
        self, filters: int, size: int | Size, stride: int = 1, *, groups: int = 1, **settings: Any
    ) -> layers.Layer:
        """A 2D convolution, by default padded to "same".

        `init` is "normal", "glorot", "orthogonal" or an initializer.
        """
        settings = {"padding": "same", **self._initialized(**settings)}
        if groups > 1:
            layer = GroupedConv2D(filters, size, stride, groups=groups, **settings)
        else:
            layer = layers.Conv2D(filters, size, stride, **settings)
        return self._spectral(layer)

    def depthwise(self, size: int, stride: int = 1) -> layers.Layer:
        """A 2D convolution of each channel by itself, padded to "same", without a bias.

        It has no spectral norm: a norm of all channels' kernels together would bound none of them.
        """
        return DepthwiseConv2D(
            size, stride, padding="same", use_bias=False, depthwise_initializer=self.glorot()
        )

    def conv_transpose(
        self, filters: int, size: int, stride: int = 2, **settings: Any
    ) -> layers.Layer:
        """A transposed 2D convolution, padded to "same"."""
        settings = {"padding": "same", **self._initialized(**settings)}
        return self._spectral(layers.Conv2DTranspose(filters, size, stride, **settings))

    def dense(self, units: int, **settings: Any) -> layers.Layer:
        return self._spectral(layers.Dense(units, **self._initialized(**settings)))

    def _initialized(self, *, init: Any = "glorot", **settings: Any) -> dict[str, Any]:
        initializer = getattr(self, init)() if isinstance(init, str) else init
        return {"kernel_initializer": initializer, **settings}

    def _spectral(self, layer: layers.Layer) -> layers.Layer:
        return SpectralNormalization(layer, name=f"{layer.name}_sn") if self.spectral else layer

    def embedding(self, count: int, units: int, **settings: Any) -> layers.Layer:
        """A vector for each of `count` labels, at first N(0, 1)."""
        layer = layers.Embedding(count, units, self.normal(1.0), **settings)
        return self._spectral(layer)

    def normalize(
        self, x: KerasTensor, norm: str | None = None, *, conditional: bool = True
    ) -> KerasTensor:
        """Normalizes; "layer" is over all features of a sample, "instance" over each channel.

        "batch" depends on `condition`, if there is one and unless `conditional` is false.
        """
        norm = norm or self.norm
        if norm == "batch" and conditional and self.condition:
            return self._conditional_batch_norm(x, self.condition)
        if norm == "batch":
            return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        if norm == "layer":
            return layers.GroupNormalization(groups=1, epsilon=1e-5)(x)
        if norm == "instance":
            return layers.GroupNormalization(groups=-1, epsilon=1e-5)(x)
        return x

    def _conditional_batch_norm(self, x: KerasTensor, condition: Condition) -> KerasTensor:
        """Batch norm with scales and shifts of a condition, de Vries et al. 2017 (1707.00683)."""
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, center=False, scale=False)(x)
        shape = (*[1] * (len(x.shape) - 2), x.shape[-1])
        scales, shifts = (layers.Reshape(shape)(condition(x.shape[-1])) for _ in range(2))
        return x * (1.0 + scales) + shifts

    def begin_block(self) -> None:
        """Begins the next block of a generator, which has the next one of the `conditions`."""
        self.condition = next(self.conditions, self.condition)

    def attend(self, x: KerasTensor) -> KerasTensor:
        """Adds self-attention to the first features whose larger edge is `attention`."""
        if self.attends or self.attention != max(size_of(x)):
            return x
        self.attends = True
        return attention.self_attention(x, self.conv)

    def block(
        self,
        x: KerasTensor,
        filters: int,
        size: int,
        stride: int = 1,
        *,
        norm: str | None = None,
        leaky: bool = False,
        transposed: bool = False,
        init: str = "normal",
        **settings: Any,
    ) -> KerasTensor:
        """A convolution, without a bias where a norm follows, and ReLU or LeakyReLU 0.2."""
        norm = norm or self.norm
        conv = self.conv_transpose if transposed else self.conv
        x = conv(filters, size, stride, init=init, use_bias=norm == "none", **settings)(x)
        y = self.normalize(x, norm)
        return layers.LeakyReLU(0.2)(y) if leaky else layers.ReLU()(y)

    def dropout(self, x: KerasTensor) -> KerasTensor:
        return Dropout(self.rate, seed=self.seed())(x) if self.rate else x

    def end_block(self, x: KerasTensor) -> KerasTensor:
        """Marks the end of a block of a discriminator; the first one begins at the image."""
        self.block_ends.append(x)
        return x

    def freeze(self, model: keras.Model, count: int) -> None:
        """Keeps the weights of a discriminator's first blocks as they are.

        Batch norm goes on to normalize by each batch. Raises a UserError if there are fewer blocks.
        """
        blocks = len(self.block_ends)
        if count > blocks:
            raise UserError(f"freeze_d must be from 0 to {blocks}, the blocks of D, not {count}")
        if count:
            for weight in keras.Model(model.inputs, self.block_ends[count - 1]).weights:
                weight.trainable = False

    def seed_power_iterations(self, model: keras.Model) -> None:
        """Gives the power iterations of all spectral norms starts that depend on the seed."""
        for layer in model.layers:
            if isinstance(layer, SpectralNormalization):
                start = layer.vector_u
                start.assign(self.normal(1.0)(start.shape, start.dtype))


def output(x: KerasTensor, activation: str = "tanh", name: str = "image") -> Any:
    """Ends a network: an activation in float32, with the name of the output."""
    return layers.Activation(activation, dtype="float32", name=name)(x)


def projection(x: KerasTensor, labels: KerasTensor) -> Any:
    """Products of features and their embedded labels, Miyato and Koyama 2018 (arXiv:1802.05637).

    From features, shape (B, ..., N), and labels, shape (B, packing, N), to summands of the logits,
    float32, shape (B, ..., 1).
    """
    y = ops.sum(labels, axis=1)
    y = ops.reshape(y, (-1, *[1] * (len(x.shape) - 2), x.shape[-1]))
    return ops.sum(ops.cast(x, "float32") * y, axis=-1, keepdims=True)


def size_of(x: KerasTensor) -> Size:
    """Height and width of images or features."""
    return tuple(x.shape[1:3])


def crop_to(x: KerasTensor, size: Size) -> KerasTensor:
    """Drops the last rows and columns."""
    rows, columns = (edge - wanted for edge, wanted in zip(size_of(x), size, strict=True))
    return layers.Cropping2D(((0, rows), (0, columns)))(x) if rows or columns else x
