"""The convolutional networks of Radford et al. 2015, and those of the well-known tutorial.

Any square size works: going down, a strided convolution maps a size n to ceil(n / 2); going up, the
same sizes are passed in reverse, and where one is odd the last row and column are cropped. Small
images, which few halvings bring down, get 3x3 convolutions without a stride at the smallest size,
since fewer than three layers of features draw whole digits less well.
"""

from __future__ import annotations

from itertools import pairwise

import keras
from keras import layers

from tfgan2.networks.parts import Initializers, crop_to, normalised, sizes_down, spectral
from tfgan2.nn.layers import Dropout


def strided_sizes(size: int) -> list[int]:
    """The sizes that the strided design passes through: halved to 4…7, at least three layers.

    Two equal neighbours stand for a convolution without a stride. Examples: strided_sizes(64) is
    [64, 32, 16, 8, 4], strided_sizes(28) is [28, 14, 7, 7].
    """
    sizes = sizes_down(size, 7)
    return sizes + sizes[-1:] * (4 - len(sizes))


def strided_widths(sizes: list[int], width: int, max_width: int) -> list[int]:
    """Channels of each layer of features: they double wherever the size halves."""
    widths = [width]
    for size, smaller in pairwise(sizes[1:]):
        widths.append(min(widths[-1] * (2 if smaller < size else 1), max_width))
    return widths


def strided_generator(
    x: keras.KerasTensor,
    image_shape: tuple[int, int, int],
    *,
    width: int,
    max_width: int,
    init: Initializers,
) -> keras.KerasTensor:
    """Transposed 4x4 convolutions with stride 2, batch norm and ReLU.

    4x4 where the paper has 5x5: a kernel that the stride divides leaves no checkerboard (Odena et
    al. 2016).

    Args:
        x: latents, shape (n,).
        image_shape: (size, size, channels).
        width: channels before the last layer; they double towards the latents.
        max_width: but not above this.
        init: makes the initial weights, N(0, 0.02) as in the paper.

    Returns:
        Values before the last activation, shape `image_shape`.
    """
    sizes = strided_sizes(image_shape[0])
    widths = strided_widths(sizes, width, max_width)
    base, depth = sizes[-1], widths[-1]
    x = layers.Dense(base * base * depth, use_bias=False, kernel_initializer=init.normal())(x)
    x = layers.Reshape((base, base, depth))(x)
    x = layers.ReLU()(normalised(x, "batch"))
    for size, channels in zip(sizes[-2:0:-1], widths[-2::-1], strict=True):
        settings = {
            "use_bias": False,
            "kernel_initializer": init.normal(),
            "padding": "same",
        }
        if x.shape[1] == size:
            x = layers.Conv2D(channels, 3, **settings)(x)
        else:
            x = crop_to(layers.Conv2DTranspose(channels, 4, 2, **settings)(x), size)
        x = layers.ReLU()(normalised(x, "batch"))
    x = layers.Conv2DTranspose(image_shape[-1], 4, 2, "same", kernel_initializer=init.normal())(x)
    return crop_to(x, sizes[0])


def strided_features(
    x: keras.KerasTensor,
    *,
    width: int,
    max_width: int,
    norm: str,
    use_spectral: bool,
    dropout: float,
    init: Initializers,
) -> keras.KerasTensor:
    """4x4 convolutions with stride 2, a norm except in the first, LeakyReLU 0.2.

    Args:
        x: images, shape (size, size, channels).
        width: channels after the first layer; they double from layer to layer.
        max_width: but not above this.
        norm: one of `parts.NORMS`; "batch" is the paper's.
        use_spectral: hold kernels to a spectral norm of 1.
        dropout: share of the last features that is dropped.
        init: makes the initial weights, N(0, 0.02) as in the paper.

    Returns:
        Shape (n,).
    """
    sizes = strided_sizes(x.shape[1])
    widths = strided_widths(sizes, width, max_width)
    for level, (channels, (size, smaller)) in enumerate(zip(widths, pairwise(sizes), strict=True)):
        kernel, stride = (3, 1) if size == smaller else (4, 2)
        own_norm = norm if level else "none"
        convolution = layers.Conv2D(
            channels,
            kernel,
            stride,
            "same",
            use_bias=own_norm == "none",
            kernel_initializer=init.normal(),
        )
        x = normalised(spectral(convolution, use_spectral)(x), own_norm)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    return Dropout(dropout, seed=init.seed())(x) if dropout else x


def tutorial_generator(
    x: keras.KerasTensor,
    image_shape: tuple[int, int, int],
    *,
    width: int,
    init: Initializers,
) -> keras.KerasTensor:
    """Chollet's network for CIFAR-10 frogs: 5x5 convolutions with LeakyReLU, no batch norm.

    At 32x32 it is the book's: 16x16 features, one transposed 4x4 convolution, three 5x5 and a 7x7
    convolution. Larger images get further transposed convolutions, smaller ones start smaller.

    Args:
        x: latents, shape (n,).
        image_shape: (size, size, channels).
        width: channels of the first features; the rest has twice as many.
        init: makes the initial weights (Glorot uniform).

    Returns:
        Values before the last activation, shape `image_shape`.
    """
    sizes = sizes_down(image_shape[0], 16)
    if len(sizes) == 1:
        sizes = [sizes[0], -(-sizes[0] // 2)]
    x = layers.Dense(sizes[-1] * sizes[-1] * width, kernel_initializer=init.glorot())(x)
    x = layers.Reshape((sizes[-1], sizes[-1], width))(layers.LeakyReLU(0.3)(x))
    x = layers.Conv2D(2 * width, 5, padding="same", kernel_initializer=init.glorot())(x)
    x = layers.LeakyReLU(0.3)(x)
    for size in sizes[-2::-1]:
        x = layers.Conv2DTranspose(2 * width, 4, 2, "same", kernel_initializer=init.glorot())(x)
        x = layers.LeakyReLU(0.3)(crop_to(x, size))
    for _ in range(2):
        x = layers.Conv2D(2 * width, 5, padding="same", kernel_initializer=init.glorot())(x)
        x = layers.LeakyReLU(0.3)(x)
    return layers.Conv2D(image_shape[-1], 7, padding="same", kernel_initializer=init.glorot())(x)


def tutorial_features(
    x: keras.KerasTensor,
    *,
    width: int,
    norm: str,
    use_spectral: bool,
    dropout: float,
    init: Initializers,
) -> keras.KerasTensor:
    """Chollet's discriminator: a 3x3 convolution, strided 4x4 ones, LeakyReLU, dropout at the end.

    Padded, where the book's is not, so that it works from 8x8 on.

    Args:
        x: images, shape (size, size, channels).
        width: channels of every layer.
        norm: one of `parts.NORMS`, after every layer but the first; "none" is the book's.
        use_spectral: hold kernels to a spectral norm of 1.
        dropout: share of the last features that is dropped.
        init: makes the initial weights (Glorot uniform).

    Returns:
        Shape (n,).
    """
    convolution = layers.Conv2D(width, 3, padding="same", kernel_initializer=init.glorot())
    strided = sizes_down(x.shape[1], 4)[1:]
    x = layers.LeakyReLU(0.3)(spectral(convolution, use_spectral)(x))
    for _ in strided:
        convolution = layers.Conv2D(width, 4, 2, "same", kernel_initializer=init.glorot())
        x = layers.LeakyReLU(0.3)(normalised(spectral(convolution, use_spectral)(x), norm))
    x = layers.Flatten()(x)
    return Dropout(dropout, seed=init.seed())(x) if dropout else x
