"""What the networks are put together from."""

from __future__ import annotations

from itertools import count
from typing import Any

import keras
from keras import layers

from tfgan2.errors import UserError
from tfgan2.nn.layers import SpectralNormalization

NORMS = ("none", "batch", "layer", "instance")


class Initializers:
    """Initial weights, each layer with a seed of its own.

    Keras gives two layers of one shape the same weights for one seed.
    """

    def __init__(self, seed: int) -> None:
        self._seeds = count(seed * 1000)

    def seed(self) -> int:
        return next(self._seeds)

    def normal(self, stddev: float = 0.02) -> keras.initializers.Initializer:
        """N(0, stddev), 0.02 as in the DCGAN paper."""
        return keras.initializers.RandomNormal(stddev=stddev, seed=self.seed())

    def glorot(self) -> keras.initializers.Initializer:
        """Uniform, of the variance of Glorot and Bengio 2010."""
        return keras.initializers.GlorotUniform(self.seed())


def sizes_down(size: int, smallest: int) -> list[int]:
    """The sizes from `size` down, each half of the one before rounded up, the last <= `smallest`.

    Example: sizes_down(28, 7) is [28, 14, 7].
    """
    sizes = [size]
    while sizes[-1] > smallest:
        sizes.append(-(-sizes[-1] // 2))
    return sizes


def check_square(image_shape: tuple[int, int, int], low: int = 8, high: int = 128) -> None:
    """Raises a UserError unless the images are square and from `low` to `high` pixels wide."""
    height, width, _ = image_shape
    if height != width:
        raise UserError(f"images must be square, not {height}x{width}")
    if not low <= height <= high:
        raise UserError(f"images of {height}x{height} are not possible: from {low} to {high}")


def crop_to(x: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Drops last rows and columns."""
    excess = x.shape[1] - size
    return layers.Cropping2D(((0, excess), (0, excess)))(x) if excess else x


def normalised(x: keras.KerasTensor, norm: str) -> keras.KerasTensor:
    """One of `NORMS`; "layer" is over all features of a sample, "instance" over each channel."""
    if norm == "batch":
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    if norm == "layer":
        return layers.GroupNormalization(groups=1, epsilon=1e-5)(x)
    if norm == "instance":
        return layers.GroupNormalization(groups=-1, epsilon=1e-5)(x)
    return x


def spectral(layer: layers.Layer, wanted: bool = True) -> layers.Layer:
    """The layer, its kernel held to a spectral norm of 1 where that is wanted."""
    if not wanted:
        return layer
    return SpectralNormalization(layer, name=f"{layer.name}_sn")


def seed_spectral(model: keras.Model, init: Initializers) -> None:
    """Gives the power iterations of all layers starts that depend on the seed; Keras' do not."""
    for layer in model.layers:
        if isinstance(layer, SpectralNormalization):
            start = layer.vector_u
            start.assign(init.normal(1.0)(start.shape, start.dtype))


def features_and_heads(
    inputs: Any,
    features: keras.KerasTensor,
    init: Initializers,
    *,
    use_spectral: bool,
    heads: dict[str, int],
    head_width: int,
) -> keras.Model:
    """Ends a discriminator.

    Args:
        inputs: of the model.
        features: shape (F,).
        init: for the last layers.
        use_spectral: whether their kernels are held to a spectral norm of 1.
        heads: further outputs besides the logits: name -> units.
        head_width: units of a hidden layer that the further outputs share; 0: none.

    Returns:
        A model whose output is the logits, float32, shape (1,), or with heads a dict of "logits"
        and each head, float32, shape (units,).
    """

    def last(x: keras.KerasTensor, units: int, name: str) -> keras.KerasTensor:
        dense = layers.Dense(units, kernel_initializer=init.normal(), dtype="float32", name=name)
        return spectral(dense, use_spectral)(x)

    logits = last(features, 1, "logits")
    if not heads:
        return keras.Model(inputs, logits, name="discriminator")
    if head_width:
        features = layers.Dense(head_width, kernel_initializer=init.normal(), use_bias=False)(
            features
        )
        features = layers.LeakyReLU(0.2)(normalised(features, "batch"))
    outputs = {name: last(features, units, name) for name, units in heads.items()}
    return keras.Model(inputs, {"logits": logits, **outputs}, name="discriminator")
