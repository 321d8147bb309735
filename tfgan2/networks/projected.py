"""The networks of Projected GANs (Sauer et al. 2021, arXiv:2111.01007).

Features of four resolutions, the highest first, are mixed by random convolutions that stay as they
are, and each resolution has a discriminator. The number of channels doubles from one resolution to
the next lower one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor, layers

from tfgan2.networks.layers import LayerMaker, projection

LEVELS = 4
PROJECTED = 64


def mixed(pyramid: keras.Model, channels: int, seed: int) -> keras.Model:
    """Appends the random projections to a network with `LEVELS` outputs, and freezes all.

    Cross-channel mixing is a 1x1 convolution of each output. Cross-scale mixing goes from the
    lowest resolution up: a 3x3 convolution, bilinear upsampling, and the sum with the next higher.

    Args:
        pyramid: from images to features; each output has half the edge of the one before.
        channels: channels of the highest resolution.
        seed: the weights depend on nothing else.
    """
    random = np.random.default_rng(seed)
    outputs: list[KerasTensor] = []
    for level in reversed(range(LEVELS)):
        y = _random_conv(pyramid.outputs[level], channels * 2**level, 1, random)
        if outputs:
            below = _random_conv(outputs[0], channels * 2**level, 3, random)
            y = layers.Add()([y, _Doubled()(below)])
        outputs.insert(0, y)
    model = keras.Model(pyramid.input, outputs, name="features")
    model.trainable = False
    return model


def _random_conv(x: KerasTensor, filters: int, size: int, random: np.random.Generator) -> Any:
    """A convolution with weights of He et al. 2015, drawn by NumPy: the same on all devices."""
    layer = layers.Conv2D(filters, size, padding="same", use_bias=False, kernel_initializer="zeros")
    y = layer(x)
    inputs = size * size * x.shape[-1]
    kernel = random.standard_normal((size, size, x.shape[-1], filters)) * np.sqrt(2 / inputs)
    layer.set_weights([kernel])
    return y


class _Doubled(layers.Layer):
    """Doubles height and width of features bilinearly, as two matrix multiplications."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        rows, columns = (tf.constant(_doubling(n), inputs.dtype) for n in inputs.shape[1:3])
        x = tf.einsum("oh,bhwc->bowc", rows, inputs)
        return tf.einsum("pw,bowc->bopc", columns, x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        count, height, width, channels = input_shape
        return count, 2 * height, 2 * width, channels


def _doubling(size: int) -> np.ndarray:
    """Bilinear interpolation of one axis as a matrix, shape (2 * size, size)."""
    positions = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
    return np.maximum(1 - np.abs(positions[:, None] - np.arange(size)), 0).astype(np.float32)


def discriminators(
    shapes: Sequence[tuple[int, int, int]],
    make: LayerMaker,
    *,
    num_labels: int = 0,
    packing: int = 1,
) -> keras.Model:
    """Builds the discriminators, one model of them all.

    Each halves its features until all have the same size, the first four times, the last once, by
    4x4 convolutions with a norm and LeakyReLU 0.2; then a convolution makes logits.

    Args:
        shapes: (height, width, channels) of the features, the highest resolution first.
        make: makes the layers; the channels double up to those of the last features.
        num_labels: number of labels, 0 for none; else logits are products of `PROJECTED` channels
            and embedded labels.
        packing: images per input, concatenated along the channels.

    Returns:
        A model from the features, a list of `LEVELS`, and with labels "label", int32, shape
        (packing,), to logits, float32, shape (height, width, LEVELS).
    """
    most, inputs, logits = shapes[-1][-1], [], []
    label = keras.Input((packing,), dtype="int32", name="label")
    for level, (height, width, channels) in enumerate(shapes):
        x = keras.Input((height, width, packing * channels), name=f"features_{level}")
        inputs.append(x)
        for number in range(LEVELS - level):
            # On one pixel 15 of the 16 taps would meet zeros alone, and TensorFlow's gradient for
            # them is arbitrary in bfloat16 on a CPU.
            size = 4 if x.shape[1] > 1 else 1
            x = make.block(x, min(channels * 2 ** (number + 1), most), size, 2, leaky=True)
        filters = PROJECTED if num_labels else 1
        x = make.conv(filters, 4, init="normal", dtype="float32")(make.dropout(x))
        if num_labels:
            init = make.normal(1.0)
            y = layers.Embedding(num_labels, PROJECTED, init, dtype="float32")(label)
            x = projection(x, y) / math.sqrt(PROJECTED)
        logits.append(x)
    if num_labels:
        inputs.append(label)
    outputs = layers.Concatenate(dtype="float32", name="logits")(logits)
    model = keras.Model(inputs, outputs, name="discriminator")
    make.seed_power_iterations(model)
    return model
