"""Fully connected networks: those of the first papers, and those of two-dimensional points."""

from __future__ import annotations

import math

from keras import KerasTensor, layers

from tfgan2.networks.layers import ImageShape, LayerMaker

DEPTH = 3


def decoder(x: KerasTensor, image_shape: ImageShape, make: LayerMaker) -> KerasTensor:
    """Three hidden layers with batch norm and ReLU.

    Points have no batch norm: it would add noise to values that need all of their precision.
    """
    points = image_shape[0] * image_shape[1] == 1
    for _ in range(DEPTH):
        x = make.dense(make.channels, use_bias=points)(x)
        x = layers.ReLU()(make.normalize(x, "none" if points else "batch"))
    return layers.Reshape(image_shape)(make.dense(math.prod(image_shape))(x))


def features(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """Three hidden layers with LeakyReLU 0.2, a norm in all but the first, dropout after each."""
    if len(x.shape) > 2:
        x = layers.Flatten()(x)
    for level in range(DEPTH):
        x = make.dense(make.channels)(x)
        x = layers.LeakyReLU(0.2)(make.normalize(x, None if level else "none"))
        x = make.end_block(make.dropout(x))
    return x
