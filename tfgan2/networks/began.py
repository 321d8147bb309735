"""The encoder and decoder of Berthelot et al. 2017 (arXiv:1703.10717), for any square size.

3x3 convolutions with ELU, two per size, and nearest upsampling.
"""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.networks.parts import Initializers, crop_to, normalised, sizes_down, spectral
from tfgan2.nn.layers import Dropout

SMALLEST = 8


def generator(
    x: keras.KerasTensor,
    image_shape: tuple[int, int, int],
    *,
    width: int,
    init: Initializers,
) -> keras.KerasTensor:
    """The decoder.

    Args:
        x: codes or latents, shape (n,).
        image_shape: (size, size, channels).
        width: channels of every layer.
        init: makes the initial weights (Glorot uniform).

    Returns:
        Values before the last activation, shape `image_shape`.
    """

    def convolved(y: keras.KerasTensor) -> keras.KerasTensor:
        settings = {"padding": "same", "kernel_initializer": init.glorot()}
        return layers.Conv2D(width, 3, activation="elu", **settings)(y)

    sizes = sizes_down(image_shape[0], SMALLEST)
    x = layers.Dense(sizes[-1] ** 2 * width, kernel_initializer=init.glorot())(x)
    x = layers.Reshape((sizes[-1], sizes[-1], width))(x)
    for size in reversed(sizes):
        if x.shape[1] < size:
            x = crop_to(layers.UpSampling2D(2)(x), size)
        x = convolved(convolved(x))
    return layers.Conv2D(image_shape[-1], 3, padding="same", kernel_initializer=init.glorot())(x)


def features(
    x: keras.KerasTensor,
    *,
    width: int,
    norm: str,
    use_spectral: bool,
    dropout: float,
    init: Initializers,
) -> keras.KerasTensor:
    """The encoder, without its last layer.

    Args:
        x: images, shape (size, size, channels).
        width: channels at the images' end; with each halving of the size they grow by as much.
        norm: one of `parts.NORMS`, after every layer but the first; "none" is the paper's.
        use_spectral: hold kernels to a spectral norm of 1.
        dropout: share of the last features that is dropped.
        init: makes the initial weights (Glorot uniform).

    Returns:
        Shape (n,).
    """

    def convolved(y: keras.KerasTensor, channels: int, stride: int, norm: str) -> keras.KerasTensor:
        settings = {"padding": "same", "kernel_initializer": init.glorot()}
        convolution = layers.Conv2D(channels, 3, stride, **settings)
        return layers.ELU()(normalised(spectral(convolution, use_spectral)(y), norm))

    x = convolved(x, width, 1, "none")
    halvings = len(sizes_down(x.shape[1], SMALLEST)) - 1
    for level in range(halvings + 1):
        channels = width * (level + 1)
        x = convolved(convolved(x, channels, 1, norm), channels, 1, norm)
        if level < halvings:
            x = convolved(x, channels + width, 2, norm)
    x = layers.Flatten()(x)
    return Dropout(dropout, seed=init.seed())(x) if dropout else x
