"""The generator and discriminator of any architecture, with labels, packing and further heads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from tfgan2.images import is_points
from tfgan2.networks import ARCHITECTURES
from tfgan2.networks.layers import ImageShape, LayerMaker, output
from tfgan2.nn.layers import ImageRange

LABEL_EMBEDDING = 50


def generator(
    network: str, image_shape: ImageShape, latent_dim: int, make: LayerMaker, *, num_labels: int = 0
) -> keras.Model:
    """Builds a generator.

    Args:
        network: one of `ARCHITECTURES`.
        image_shape: (height, width, channels).
        latent_dim: number of latents.
        make: makes the layers.
        num_labels: number of labels, 0 for none.

    Returns:
        A model from "z", float32, shape (latent_dim,), and with labels "label", int32, shape (), to
        "image", float32, in [-1, 1]; points are not bounded.
    """
    inputs = x = keras.Input((latent_dim,), name="z")
    if num_labels:
        label = keras.Input((), dtype="int32", name="label")
        inputs = [x, label]
        # Of length 1 or so, like a one-hot label: a longer embedding drowns the latents, and all
        # images of a class look the same (measured with acgan on MNIST).
        init = make.normal(LABEL_EMBEDDING**-0.5)
        x = layers.Concatenate()([x, layers.Embedding(num_labels, LABEL_EMBEDDING, init)(label)])
    x = ARCHITECTURES[network].load().decoder(x, image_shape, make)
    activation = "linear"
    if ARCHITECTURES[network].bounded and not is_points(image_shape):
        activation = "tanh"
    elif not is_points(image_shape):
        x = ImageRange(dtype="float32")(x)
    image = output(x, activation)
    return keras.Model(inputs, image, name="generator")


def discriminator(
    network: str,
    image_shape: ImageShape,
    make: LayerMaker,
    *,
    num_labels: int = 0,
    projection: bool = False,
    packing: int = 1,
    heads: Mapping[str, int] | None = None,
    head_units: int = 0,
) -> keras.Model:
    """Builds a discriminator.

    Args:
        network: one of `ARCHITECTURES`.
        image_shape: (height, width, channels) of one image.
        make: makes the layers.
        num_labels: number of labels, 0 for none.
        projection: embed labels beside the features, and add the product of both to the logits,
            divided by the square root of their number (Miyato and Koyama 2018,
            arXiv:1802.05637), instead of joining labels with the image.
        packing: images per input, concatenated along the channels.
        heads: further outputs: name -> units.
        head_units: units of a hidden layer that the further outputs share; 0 for none.

    Returns:
        A model from "image", (height, width, packing * channels), and with labels "label", int32,
        shape (packing,), to logits, float32, shape (1,), or with heads to a dict of "logits" and
        the heads, float32.
    """
    height, width, channels = image_shape
    inputs = x = keras.Input((height, width, channels * packing), name="image")
    if num_labels:
        label = keras.Input((packing,), dtype="int32", name="label")
        inputs = [x, label]
    if num_labels and not projection:
        # Features for "mlp", channels for the others.
        size = LABEL_EMBEDDING if network == "mlp" else height * width
        y = layers.Embedding(num_labels, size, make.normal(1.0))(label)
        if network == "mlp":
            x, y = layers.Flatten()(x), layers.Flatten()(y)
        else:
            y = layers.Permute((2, 3, 1))(layers.Reshape((packing, height, width))(y))
        x = layers.Concatenate()([x, y])
    x = ARCHITECTURES[network].load().features(x, make)
    init = "normal" if ARCHITECTURES[network].bounded else make.scaled()
    logits = make.dense(1, init=init, dtype="float32", name="logits")(x)
    if num_labels and projection:
        y = layers.Embedding(num_labels, x.shape[-1], make.normal(1.0), dtype="float32")(label)
        products = ops.cast(x, "float32")[:, None] * y
        logits += ops.sum(products, axis=(1, 2))[:, None] / math.sqrt(x.shape[-1])
    outputs: Any = logits
    if heads:
        if head_units:
            x = make.dense(head_units, init="normal", use_bias=False)(x)
            x = layers.LeakyReLU(0.2)(make.normalize(x, "batch"))
        outputs = {"logits": logits}
        for name, units in heads.items():
            outputs[name] = make.dense(units, init="normal", dtype="float32", name=name)(x)
    model = keras.Model(inputs, outputs, name="discriminator")
    make.seed_power_iterations(model)
    return model
