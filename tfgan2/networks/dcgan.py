"""The convolutional networks of Radford et al. 2015, and those of the well-known tutorial.

Any square size works: going down, a strided convolution maps a size n to ceil(n / 2); going up, the
same sizes are passed in reverse, and where one is odd the last row and column are cropped. Small
images, which few halvings bring down, get 3x3 convolutions without a stride at the smallest size,
since fewer than three layers of features draw whole digits less well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise

import keras
from keras import layers

from tfgan2.errors import UserError


def sizes_down(size: int, smallest: int) -> list[int]:
    """The sizes from `size` down, each half of the one before rounded up, the last <= `smallest`.

    Example: sizes_down(28, 7) is [28, 14, 7].
    """
    sizes = [size]
    while sizes[-1] > smallest:
        sizes.append(-(-sizes[-1] // 2))
    return sizes


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


def check_square(image_shape: tuple[int, int, int], low: int = 8, high: int = 128) -> int:
    """The size of a square image shape.

    Raises:
        UserError: not square, or not from `low` to `high`.
    """
    height, width, _ = image_shape
    if height != width:
        raise UserError(f"images must be square, not {height}x{width}")
    if not low <= height <= high:
        raise UserError(f"images of {height}x{height} are not possible: from {low} to {high}")
    return height


def _kernels(seed: int) -> Iterator[keras.initializers.Initializer]:
    # Each layer its own seed: Keras gives two layers of one shape the same weights for one seed.
    for index in count():
        yield keras.initializers.RandomNormal(stddev=0.02, seed=seed * 1000 + index)


def _crop_to(x: keras.KerasTensor, size: int) -> keras.KerasTensor:
    excess = x.shape[1] - size
    return layers.Cropping2D(((0, excess), (0, excess)))(x) if excess else x


def strided_generator(
    image_shape: tuple[int, int, int], latent_dim: int, width: int, max_width: int, seed: int
) -> keras.Model:
    """Transposed 4x4 convolutions with stride 2, batch norm and ReLU; tanh at the end.

    4x4 where the paper has 5x5: a kernel that the stride divides leaves no checkerboard (Odena et
    al. 2016).

    Args:
        image_shape: (size, size, channels).
        latent_dim: length of the latents.
        width: channels before the last layer; they double towards the latents.
        max_width: but not above this.
        seed: of the initial weights, N(0, 0.02) as in the paper.

    Returns:
        A functional model from "z", (latent_dim,), to images in [-1, 1], float32.
    """
    sizes = strided_sizes(image_shape[0])
    widths = strided_widths(sizes, width, max_width)
    kernels = _kernels(seed)
    z = x = keras.Input((latent_dim,), name="z")
    base, depth = sizes[-1], widths[-1]
    x = layers.Dense(base * base * depth, use_bias=False, kernel_initializer=next(kernels))(x)
    x = layers.Reshape((base, base, depth))(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
    for size, channels in zip(sizes[-2:0:-1], widths[-2::-1], strict=True):
        settings = {"use_bias": False, "kernel_initializer": next(kernels), "padding": "same"}
        if x.shape[1] == size:
            x = layers.Conv2D(channels, 3, **settings)(x)
        else:
            x = _crop_to(layers.Conv2DTranspose(channels, 4, 2, **settings)(x), size)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
    x = layers.Conv2DTranspose(image_shape[-1], 4, 2, "same", kernel_initializer=next(kernels))(x)
    x = _crop_to(x, sizes[0])
    x = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model(z, x, name="generator")


def strided_discriminator(
    image_shape: tuple[int, int, int], width: int, max_width: int, seed: int
) -> keras.Model:
    """4x4 convolutions with stride 2, batch norm except in the first, LeakyReLU 0.2.

    Args:
        image_shape: (size, size, channels).
        width: channels after the first layer; they double from layer to layer.
        max_width: but not above this.
        seed: of the initial weights, N(0, 0.02) as in the paper.

    Returns:
        A functional model from images to logits, float32, shape (1,).
    """
    kernels = _kernels(seed)
    image = x = keras.Input(image_shape, name="image")
    sizes = strided_sizes(image_shape[0])
    widths = strided_widths(sizes, width, max_width)
    for level, (channels, (size, smaller)) in enumerate(zip(widths, pairwise(sizes), strict=True)):
        kernel, stride = (3, 1) if size == smaller else (4, 2)
        x = layers.Conv2D(
            channels,
            kernel,
            stride,
            "same",
            use_bias=level == 0,
            kernel_initializer=next(kernels),
        )(x)
        if level:
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(1, kernel_initializer=next(kernels), dtype="float32", name="logits")(x)
    return keras.Model(image, x, name="discriminator")


def tutorial_generator(
    image_shape: tuple[int, int, int], latent_dim: int, width: int, seed: int
) -> keras.Model:
    """Chollet's network for CIFAR-10 frogs: 5x5 convolutions with LeakyReLU, no batch norm.

    At 32x32 it is the book's: 16x16 features, one transposed 4x4 convolution, three 5x5 and a 7x7
    convolution. Larger images get further transposed convolutions, smaller ones start smaller.

    Args:
        image_shape: (size, size, channels).
        latent_dim: length of the latents.
        width: channels of the first features; the rest has twice as many.
        seed: of the initial weights (Glorot uniform).

    Returns:
        A functional model from "z", (latent_dim,), to images in [-1, 1], float32.
    """
    sizes = sizes_down(image_shape[0], 16)
    if len(sizes) == 1:
        sizes = [sizes[0], -(-sizes[0] // 2)]
    seeds = count(seed * 1000)

    def glorot() -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(next(seeds))

    z = x = keras.Input((latent_dim,), name="z")
    x = layers.Dense(sizes[-1] * sizes[-1] * width, kernel_initializer=glorot())(x)
    x = layers.Reshape((sizes[-1], sizes[-1], width))(layers.LeakyReLU(0.3)(x))
    x = layers.Conv2D(2 * width, 5, padding="same", kernel_initializer=glorot())(x)
    x = layers.LeakyReLU(0.3)(x)
    for size in sizes[-2::-1]:
        x = layers.Conv2DTranspose(2 * width, 4, 2, "same", kernel_initializer=glorot())(x)
        x = layers.LeakyReLU(0.3)(_crop_to(x, size))
    for _ in range(2):
        x = layers.Conv2D(2 * width, 5, padding="same", kernel_initializer=glorot())(x)
        x = layers.LeakyReLU(0.3)(x)
    x = layers.Conv2D(image_shape[-1], 7, padding="same", kernel_initializer=glorot())(x)
    x = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model(z, x, name="generator")


def tutorial_discriminator(
    image_shape: tuple[int, int, int], width: int, dropout: float, seed: int
) -> keras.Model:
    """Chollet's discriminator: a 3x3 convolution, strided 4x4 ones, LeakyReLU, dropout at the end.

    Padded, where the book's is not, so that it works from 8x8 on.

    Args:
        image_shape: (size, size, channels).
        width: channels of every layer.
        dropout: share of the last features that is dropped.
        seed: of the initial weights (Glorot uniform) and of the dropout.

    Returns:
        A functional model from images to logits, float32, shape (1,).
    """
    seeds = count(seed * 1000)

    def glorot() -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(next(seeds))

    image = x = keras.Input(image_shape, name="image")
    x = layers.Conv2D(width, 3, padding="same", kernel_initializer=glorot())(x)
    x = layers.LeakyReLU(0.3)(x)
    for _ in sizes_down(image_shape[0], 4)[1:]:
        x = layers.Conv2D(width, 4, 2, "same", kernel_initializer=glorot())(x)
        x = layers.LeakyReLU(0.3)(x)
    x = layers.Dropout(dropout, seed=next(seeds))(layers.Flatten()(x))
    x = layers.Dense(1, kernel_initializer=glorot(), dtype="float32", name="logits")(x)
    return keras.Model(image, x, name="discriminator")
