"""The residual networks of Miyato et al. 2018 (arXiv:1802.05957, table 4), for any square size."""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.networks.parts import Initializers, crop_to, normalised, sizes_down, spectral
from tfgan2.nn.layers import Dropout


def generator(
    x: keras.KerasTensor,
    image_shape: tuple[int, int, int],
    *,
    width: int,
    init: Initializers,
) -> keras.KerasTensor:
    """A dense layer, residual blocks that each double the size, batch norm and ReLU before each.

    Args:
        x: latents, shape (n,).
        image_shape: (size, size, channels).
        width: channels of every layer. The paper has 256 for 32x32.
        init: makes the initial weights (Glorot uniform).

    Returns:
        Values before the last activation, shape `image_shape`.
    """
    sizes = sizes_down(image_shape[0], 7)
    base = sizes[-1]
    x = layers.Dense(base * base * width, kernel_initializer=init.glorot())(x)
    x = layers.Reshape((base, base, width))(x)
    for size in sizes[-2::-1]:
        x = _block_up(x, size, width, init)
    x = layers.ReLU()(normalised(x, "batch"))
    return layers.Conv2D(image_shape[-1], 3, padding="same", kernel_initializer=init.glorot())(x)


def _block_up(x: keras.KerasTensor, size: int, width: int, init: Initializers) -> keras.KerasTensor:
    def larger(y: keras.KerasTensor) -> keras.KerasTensor:
        return crop_to(layers.UpSampling2D(2)(y), size) if y.shape[1] < size else y

    def convolved(y: keras.KerasTensor, kernel: int) -> keras.KerasTensor:
        settings = {"padding": "same", "kernel_initializer": init.glorot()}
        return layers.Conv2D(width, kernel, **settings)(y)

    y = convolved(larger(layers.ReLU()(normalised(x, "batch"))), 3)
    y = convolved(layers.ReLU()(normalised(y, "batch")), 3)
    # A 1x1 convolution commutes with nearest upsampling, and is four times cheaper before it.
    return layers.Add()([y, larger(convolved(x, 1))])


def features(
    x: keras.KerasTensor,
    *,
    width: int,
    norm: str,
    use_spectral: bool,
    dropout: float,
    init: Initializers,
) -> keras.KerasTensor:
    """Residual blocks that halve the size down to 8 or less, two more, ReLU, sum over the pixels.

    Args:
        x: images, shape (size, size, channels).
        width: channels of every layer. The paper has 128 for 32x32.
        norm: one of `parts.NORMS`, before each convolution but the first; "none" is the paper's.
        use_spectral: hold kernels to a spectral norm of 1; the paper does.
        dropout: share of the features that is dropped.
        init: makes the initial weights (Glorot uniform).

    Returns:
        Shape (width,).
    """

    def convolved(y: keras.KerasTensor, kernel: int) -> keras.KerasTensor:
        convolution = layers.Conv2D(width, kernel, padding="same", kernel_initializer=init.glorot())
        return spectral(convolution, use_spectral)(y)

    def smaller(y: keras.KerasTensor) -> keras.KerasTensor:
        return layers.AveragePooling2D(2, padding="same")(y)

    halvings = len(sizes_down(x.shape[1], 8)) - 1
    for level in range(halvings + 2):
        first, halve = level == 0, level < halvings
        y = x if first else layers.ReLU()(normalised(x, norm))
        y = layers.ReLU()(normalised(convolved(y, 3), norm))
        y = convolved(y, 3)
        shortcut = convolved(smaller(x) if halve else x, 1) if first or halve else x
        x = layers.Add()([smaller(y) if halve else y, shortcut])
    # The sum in float32: 64 pixels of float16 features are near its limit.
    x = layers.ReLU(dtype="float32")(x)
    pixels = x.shape[1] * x.shape[2]
    x = layers.GlobalAveragePooling2D(dtype="float32")(x)
    x = layers.Rescaling(float(pixels), dtype="float32")(x)
    return Dropout(dropout, seed=init.seed())(x) if dropout else x
