"""The encoder and decoder of Berthelot et al. 2017 (arXiv:1703.10717), for any square size.

3x3 convolutions with ELU, two per size; nearest upsampling. Points get fully connected layers.
"""

from __future__ import annotations

import math

import keras
from keras import layers

from tfgan2.images import is_points
from tfgan2.networks.parts import Kernels, crop_to, sizes_down

SMALLEST = 8


def encoder(
    x: keras.KerasTensor, hidden: int, *, width: int, kernels: Kernels
) -> keras.KerasTensor:
    """From images to codes.

    Args:
        x: images, shape (size, size, channels).
        hidden: length of the codes.
        width: channels at the images' end; with each halving of the size they grow by as much.
        kernels: makes the initial weights (Glorot uniform).

    Returns:
        Shape (hidden,).
    """
    if is_points(x.shape):
        x = layers.Flatten()(x)
        for _ in range(2):
            x = layers.Dense(width, "elu", kernel_initializer=kernels.glorot())(x)
        return layers.Dense(hidden, kernel_initializer=kernels.glorot())(x)

    def convolved(y: keras.KerasTensor, channels: int, stride: int = 1) -> keras.KerasTensor:
        settings = {"padding": "same", "kernel_initializer": kernels.glorot()}
        return layers.Conv2D(channels, 3, stride, activation="elu", **settings)(y)

    x = convolved(x, width)
    halvings = len(sizes_down(x.shape[1], SMALLEST)) - 1
    for level in range(halvings + 1):
        channels = width * (level + 1)
        x = convolved(convolved(x, channels), channels)
        if level < halvings:
            x = convolved(x, channels + width, stride=2)
    return layers.Dense(hidden, kernel_initializer=kernels.glorot())(layers.Flatten()(x))


def decoder(
    x: keras.KerasTensor, image_shape: tuple[int, int, int], *, width: int, kernels: Kernels
) -> keras.KerasTensor:
    """From codes or latents to images.

    Args:
        x: shape (hidden,).
        image_shape: (size, size, channels).
        width: channels of every layer.
        kernels: makes the initial weights (Glorot uniform).

    Returns:
        Shape `image_shape`, no activation at the end.
    """
    if is_points(image_shape):
        for _ in range(2):
            x = layers.Dense(width, "elu", kernel_initializer=kernels.glorot())(x)
        x = layers.Dense(math.prod(image_shape), kernel_initializer=kernels.glorot())(x)
        return layers.Reshape(image_shape)(x)

    def convolved(y: keras.KerasTensor) -> keras.KerasTensor:
        settings = {"padding": "same", "kernel_initializer": kernels.glorot()}
        return layers.Conv2D(width, 3, activation="elu", **settings)(y)

    sizes = sizes_down(image_shape[0], SMALLEST)
    x = layers.Dense(sizes[-1] ** 2 * width, kernel_initializer=kernels.glorot())(x)
    x = layers.Reshape((sizes[-1], sizes[-1], width))(x)
    for size in reversed(sizes):
        if x.shape[1] < size:
            x = crop_to(layers.UpSampling2D(2)(x), size)
        x = convolved(convolved(x))
    return layers.Conv2D(image_shape[-1], 3, padding="same", kernel_initializer=kernels.glorot())(x)
