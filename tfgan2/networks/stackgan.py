"""The networks of Zhang et al. 2016 (arXiv:1612.03242): from sentences to images in two stages."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers, ops

from tfgan2.networks.layers import ImageShape, LayerMaker, output
from tfgan2.nn.layers import AppendVector

SMALLEST = 4
INNER_SIZE = 16
"""Largest size of the residual blocks."""
WORD_DIM = 128
DISCRIMINATOR_TEXT_DIM = 128


def text_encoder(words: int, length: int, dim: int, make: LayerMaker) -> keras.Model:
    """Embeds words, of so many possible ones, convolves three at a time, and takes the mean.

    Returns:
        A model from "words", int32, shape (length,), to "text", float32, shape (dim,).
    """
    indices = keras.Input((length,), dtype="int32", name="words")
    x = layers.Embedding(words, WORD_DIM, make.normal(0.1))(indices)
    x = layers.Conv1D(
        WORD_DIM, 3, padding="same", activation="relu", kernel_initializer=make.glorot()
    )(x)
    x = make.dense(dim)(_mean_over_words(x, indices))
    return keras.Model(indices, output(x, "linear", "text"), name="text_encoder")


def image_encoder(image_shape: ImageShape, dim: int, make: LayerMaker) -> keras.Model:
    """The text encoder's counterpart: an image to a vector, float32, shape (dim,)."""
    image = keras.Input(image_shape, name="image")
    x = layers.Flatten()(_down(image, make))
    x = make.dense(dim, dtype="float32")(x)
    return keras.Model(image, x, name="image_encoder")


def conditioning(text_dim: int, dim: int, make: LayerMaker, name: str) -> keras.Model:
    """A sentence to the mean and log variance of its condition, float32, shape (dim,) each."""
    text = keras.Input((text_dim,), name="text")
    x = layers.LeakyReLU(0.2)(make.dense(2 * dim)(text))
    x = layers.Activation("linear", dtype="float32")(x)
    return keras.Model(text, [x[:, :dim], x[:, dim:]], name=name)


def stage_one(image_shape: ImageShape, latent_dim: int, dim: int, make: LayerMaker) -> keras.Model:
    """Latents and a condition, shape (dim,), to a small image, 4 times a power of 2 wide.

    The base channels double towards the latents.
    """
    z = keras.Input((latent_dim,), name="z")
    condition = keras.Input((dim,), name="condition")
    doublings = (image_shape[0] // SMALLEST).bit_length() - 1
    filters = make.channels * 2**doublings
    x = layers.Concatenate()([condition, z])
    x = make.dense(filters * SMALLEST**2, init="normal", use_bias=False)(x)
    x = layers.ReLU()(make.normalize(x, "batch"))
    x = layers.Reshape((SMALLEST, SMALLEST, filters))(x)
    for level in reversed(range(doublings)):
        x = _up(x, make.channels * 2**level, make)
    return keras.Model([z, condition], _image(x, image_shape[-1], make), name="stage_one")


def stage_two(
    small_shape: ImageShape, image_shape: ImageShape, dim: int, blocks: int, make: LayerMaker
) -> keras.Model:
    """A small image and a condition, shape (dim,), to an image a power of 2 times as large."""
    small = keras.Input(small_shape, name="small")
    condition = keras.Input((dim,), name="condition")
    base = filters = make.channels
    x = make.block(small, base, 3, norm="batch")
    # Twice for the paper's 64 pixels; small images are not halved: too little would be left.
    while x.shape[1] > INNER_SIZE:
        filters *= 2
        x = make.block(x, filters, 4, 2, norm="batch")
    x = make.block(AppendVector()([condition, x]), 4 * base, 3, norm="batch")
    for _ in range(blocks):
        y = make.block(x, 4 * base, 3, norm="batch")
        y = make.conv(4 * base, 3, init="normal", use_bias=False)(y)
        x = layers.ReLU()(layers.Add()([x, make.normalize(y, "batch")]))
    doublings = (image_shape[0] // x.shape[1]).bit_length() - 1
    for level in reversed(range(doublings)):
        x = _up(x, max(base, 4 * base // 2 ** (doublings - level)), make)
    return keras.Model([small, condition], _image(x, image_shape[-1], make), name="stage_two")


def discriminator(
    image_shape: ImageShape, text_dim: int, make: LayerMaker, name: str
) -> keras.Model:
    """An image and a sentence to a logit, float32, shape (1,): real and of this sentence.

    Images are 4 times a power of 2 wide. The base channels double up to 8 times as many.
    """
    image = keras.Input(image_shape, name="image")
    text = keras.Input((text_dim,), name="text")
    x = _down(image, make)
    sentence = layers.LeakyReLU(0.2)(make.dense(DISCRIMINATOR_TEXT_DIM)(text))
    x = AppendVector()([sentence, x])
    x = make.block(x, 8 * make.channels, 1, norm="batch", leaky=True)
    logits = make.dense(1, init="normal", dtype="float32", name="logits")(layers.Flatten()(x))
    return keras.Model([image, text], logits, name=name)


def _mean_over_words(features: KerasTensor, words: KerasTensor) -> KerasTensor:
    """The mean of the features over the words that are not padding."""
    mask = ops.cast(ops.expand_dims(words > 0, -1), features.dtype)
    return ops.sum(features * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)


def _down(x: KerasTensor, make: LayerMaker) -> KerasTensor:
    """Halves the size down to 4x4."""
    filters, norm = make.channels, "none"
    while x.shape[1] > SMALLEST:
        x = make.block(x, filters, 4, 2, norm=norm, leaky=True)
        filters, norm = min(8 * make.channels, 2 * filters), "batch"
    return x


def _up(x: KerasTensor, filters: int, make: LayerMaker) -> KerasTensor:
    return make.block(layers.UpSampling2D(2)(x), filters, 3, norm="batch")


def _image(x: KerasTensor, channels: int, make: LayerMaker) -> KerasTensor:
    return output(make.conv(channels, 3, init="normal")(x))
