"""Fully connected networks: those of the first papers, and what two-dimensional points need."""

from __future__ import annotations

import math

import keras
from keras import layers

from tfgan2.networks.parts import Initializers, normalised, spectral
from tfgan2.nn.layers import Dropout

DEPTH = 3


def generator(
    x: keras.KerasTensor,
    image_shape: tuple[int, int, int],
    *,
    width: int,
    init: Initializers,
) -> keras.KerasTensor:
    """Three hidden layers with batch norm and ReLU; without batch norm for points.

    Points need all of their precision; batch norm would shake them with every batch.

    Args:
        x: latents, shape (n,).
        image_shape: (height, width, channels).
        width: units of each hidden layer.
        init: makes the initial weights (Glorot uniform).

    Returns:
        Values before the last activation, shape `image_shape`.
    """
    points = image_shape[0] * image_shape[1] == 1
    for _ in range(DEPTH):
        x = layers.Dense(width, kernel_initializer=init.glorot(), use_bias=points)(x)
        x = layers.ReLU()(normalised(x, "none" if points else "batch"))
    x = layers.Dense(math.prod(image_shape), kernel_initializer=init.glorot())(x)
    return layers.Reshape(image_shape)(x)


def features(
    x: keras.KerasTensor,
    *,
    width: int,
    norm: str,
    use_spectral: bool,
    dropout: float,
    init: Initializers,
) -> keras.KerasTensor:
    """Three hidden layers with LeakyReLU 0.2, and dropout after each.

    Args:
        x: any shape; flattened.
        width: units of each hidden layer.
        norm: one of `parts.NORMS`, after every layer but the first.
        use_spectral: hold kernels to a spectral norm of 1.
        dropout: share of the units that is dropped.
        init: makes the initial weights (Glorot uniform) and the seeds of the dropout.

    Returns:
        Shape (width,).
    """
    if len(x.shape) > 2:
        x = layers.Flatten()(x)
    for level in range(DEPTH):
        dense = layers.Dense(width, kernel_initializer=init.glorot())
        x = spectral(dense, use_spectral)(x)
        x = layers.LeakyReLU(0.2)(normalised(x, norm if level else "none"))
        if dropout:
            x = Dropout(dropout, seed=init.seed())(x)
    return x
