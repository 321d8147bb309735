"""The networks of Zhang et al. 2016 (arXiv:1612.03242): from sentences to images in two stages."""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.networks.parts import Initializers, normalised
from tfgan2.nn.layers import MeanOfWords, Spread

SMALLEST = 4
INNER = 16
"""Largest size of the residual blocks."""
WORD_WIDTH = 128
TEXT_SHOWN = 128
"""Values of a sentence that a discriminator sees."""


def text_encoder(words: int, length: int, dim: int, *, seed: int) -> keras.Model:
    """Embedded words, a convolution over three at a time, their mean.

    Args:
        words: how many numbers a word can have.
        length: of a caption.
        dim: of the sentence.
        seed: of the initial weights.

    Returns:
        A functional model from "words", int32, shape (length,), to "text", float32, shape (dim,).
    """
    init = Initializers(seed)
    numbers = keras.Input((length,), dtype="int32", name="words")
    x = layers.Embedding(words, WORD_WIDTH, init.normal(0.1))(numbers)
    x = layers.Conv1D(
        WORD_WIDTH, 3, padding="same", activation="relu", kernel_initializer=init.glorot()
    )(x)
    x = MeanOfWords()([x, numbers])
    x = layers.Dense(dim, kernel_initializer=init.glorot())(x)
    text = layers.Activation("linear", dtype="float32", name="text")(x)
    return keras.Model(numbers, text, name="text_encoder")


def image_encoder(
    image_shape: tuple[int, int, int], dim: int, *, width: int, seed: int
) -> keras.Model:
    """What the text encoder learns against: an image to a vector, float32, shape (dim,)."""
    init = Initializers(seed)
    image = keras.Input(image_shape, name="image")
    x = _down(image, width, init)
    x = layers.Dense(dim, kernel_initializer=init.glorot(), dtype="float32")(layers.Flatten()(x))
    return keras.Model(image, x, name="image_encoder")


def conditioning(text_dim: int, dim: int, *, seed: int, name: str) -> keras.Model:
    """A sentence to the mean and log variance of its condition, float32, shape (dim,) each."""
    init = Initializers(seed)
    text = keras.Input((text_dim,), name="text")
    x = layers.Dense(2 * dim, kernel_initializer=init.glorot())(text)
    x = layers.Activation("linear", dtype="float32")(layers.LeakyReLU(0.2)(x))
    return keras.Model(text, [x[:, :dim], x[:, dim:]], name=name)


def stage_one(
    image_shape: tuple[int, int, int], latent_dim: int, dim: int, *, width: int, seed: int
) -> keras.Model:
    """Latents and a condition to a small image.

    Args:
        image_shape: (size, size, channels), the size 4 times a power of 2.
        latent_dim: length of the latents.
        dim: length of the condition.
        width: channels at the image's end; they double towards the latents.
        seed: of the initial weights.
    """
    init = Initializers(seed)
    z = keras.Input((latent_dim,), name="z")
    condition = keras.Input((dim,), name="condition")
    doublings = (image_shape[0] // SMALLEST).bit_length() - 1
    filters = width * 2**doublings
    x = layers.Concatenate()([condition, z])
    x = layers.Dense(filters * SMALLEST**2, use_bias=False, kernel_initializer=init.normal())(x)
    x = layers.ReLU()(normalised(x, "batch"))
    x = layers.Reshape((SMALLEST, SMALLEST, filters))(x)
    for level in reversed(range(doublings)):
        x = _up(x, width * 2**level, init)
    return keras.Model([z, condition], _image(x, image_shape[-1], init), name="stage_one")


def stage_two(
    small_shape: tuple[int, int, int],
    image_shape: tuple[int, int, int],
    dim: int,
    *,
    width: int,
    blocks: int,
    seed: int,
) -> keras.Model:
    """A small image and a condition to a large image.

    Args:
        small_shape: (size, size, channels) of the small one.
        image_shape: of the large one, a power of 2 times as large.
        dim: length of the condition.
        width: channels at the image's end.
        blocks: residual blocks.
        seed: of the initial weights.
    """
    init = Initializers(seed)
    small = keras.Input(small_shape, name="small")
    condition = keras.Input((dim,), name="condition")
    x = _convolved(small, width, init)
    filters = width
    # Twice for the paper's 64 pixels; small images are not halved: too little would be left of
    # them.
    while x.shape[1] > INNER:
        filters *= 2
        x = layers.Conv2D(filters, 4, 2, "same", use_bias=False, kernel_initializer=init.normal())(
            x
        )
        x = layers.ReLU()(normalised(x, "batch"))
    x = _convolved(Spread()([condition, x]), 4 * width, init)
    for _ in range(blocks):
        y = _convolved(x, 4 * width, init)
        y = layers.Conv2D(
            4 * width, 3, padding="same", use_bias=False, kernel_initializer=init.normal()
        )(y)
        x = layers.ReLU()(layers.Add()([x, normalised(y, "batch")]))
    doublings = (image_shape[0] // x.shape[1]).bit_length() - 1
    for level in reversed(range(doublings)):
        x = _up(x, max(width, 4 * width // 2 ** (doublings - level)), init)
    return keras.Model([small, condition], _image(x, image_shape[-1], init), name="stage_two")


def discriminator(
    image_shape: tuple[int, int, int], text_dim: int, *, width: int, seed: int, name: str
) -> keras.Model:
    """An image and a sentence to a logit, float32, shape (1,): real and of this sentence.

    Args:
        image_shape: (size, size, channels), the size 4 times a power of 2.
        text_dim: length of the sentence.
        width: channels at the image's end; they double up to 8 times as many.
        seed: of the initial weights.
        name: of the model.
    """
    init = Initializers(seed)
    image = keras.Input(image_shape, name="image")
    text = keras.Input((text_dim,), name="text")
    x = _down(image, width, init)
    shown = layers.Dense(TEXT_SHOWN, kernel_initializer=init.glorot())(text)
    x = Spread()([layers.LeakyReLU(0.2)(shown), x])
    x = layers.Conv2D(8 * width, 1, use_bias=False, kernel_initializer=init.normal())(x)
    x = layers.LeakyReLU(0.2)(normalised(x, "batch"))
    logits = layers.Dense(1, kernel_initializer=init.normal(), dtype="float32", name="logits")(
        layers.Flatten()(x)
    )
    return keras.Model([image, text], logits, name=name)


def _down(x: keras.KerasTensor, width: int, init: Initializers) -> keras.KerasTensor:
    """Halved down to 4x4."""
    level = 0
    while x.shape[1] > SMALLEST:
        x = layers.Conv2D(
            min(8 * width, width * 2**level),
            4,
            2,
            "same",
            use_bias=not level,
            kernel_initializer=init.normal(),
        )(x)
        x = layers.LeakyReLU(0.2)(normalised(x, "batch" if level else "none"))
        level += 1
    return x


def _convolved(x: keras.KerasTensor, filters: int, init: Initializers) -> keras.KerasTensor:
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=init.normal())(
        x
    )
    return layers.ReLU()(normalised(x, "batch"))


def _up(x: keras.KerasTensor, filters: int, init: Initializers) -> keras.KerasTensor:
    return _convolved(layers.UpSampling2D(2)(x), filters, init)


def _image(x: keras.KerasTensor, channels: int, init: Initializers) -> keras.KerasTensor:
    x = layers.Conv2D(channels, 3, padding="same", kernel_initializer=init.normal())(x)
    return layers.Activation("tanh", dtype="float32", name="image")(x)
