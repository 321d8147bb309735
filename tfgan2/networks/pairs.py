"""The generator and discriminator of any architecture, with labels, packing and further heads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import keras
from keras import KerasTensor, layers

from tfgan2.images import is_points
from tfgan2.networks import ARCHITECTURES
from tfgan2.networks.layers import Condition, ImageShape, LayerMaker, output, projection
from tfgan2.networks.sizes import residual_blocks
from tfgan2.nn.layers import ImageRange

LABEL_EMBEDDING = 50


def generator(
    network: str,
    image_shape: ImageShape,
    latent_dim: int,
    make: LayerMaker,
    *,
    num_labels: int = 0,
    conditioning: str = "latents",
    embedding: int = 0,
) -> keras.Model:
    """Builds a generator.

    Args:
        network: one of `ARCHITECTURES`.
        image_shape: (height, width, channels).
        latent_dim: number of latents.
        make: makes the layers.
        num_labels: number of labels, 0 for none.
        conditioning: where labels enter: "latents", joined with an embedding; "product", multiplied
            by an embedding; "norm", as scales and shifts of each batch norm but those that the
            architecture makes unconditional; "hierarchy", these from one embedding for all, joined
            with latents, of which each block has its own part. "latents" where "norm" and
            "hierarchy" find no `conditional_norm`, or "hierarchy" no `blocks`.
        embedding: size of the embedding of "hierarchy".

    Returns:
        A model from "z", float32, shape (latent_dim,), and with labels "label", int32, shape (), to
        "image", float32, in [-1, 1]; points are not bounded.
    """
    inputs = x = keras.Input((latent_dim,), name="z")
    architecture, points = ARCHITECTURES[network], is_points(image_shape)
    if num_labels:
        label = keras.Input((), dtype="int32", name="label")
        inputs = [x, label]
        norms, blocks = architecture.conditional_norm and not points, architecture.blocks
        impossible = {"norm": not norms, "hierarchy": not (norms and blocks)}
        if impossible.get(conditioning):
            conditioning = "latents"
        if conditioning == "latents":
            # Of length 1 or so, like a one-hot label: a longer embedding drowns the latents, and
            # all images of a class look the same (measured with acgan on MNIST).
            init = make.normal(LABEL_EMBEDDING**-0.5)
            y = layers.Embedding(num_labels, LABEL_EMBEDDING, init)(label)
            x = layers.Concatenate()([x, y])
        elif conditioning == "product":
            # A sum would tell classes apart without latents, and batch norm is content with that
            # variety: all images of a class look the same (measured with acgan on CIFAR-10).
            y = layers.Embedding(num_labels, latent_dim, make.normal(1.0))(label)
            x = layers.Multiply()([x, y])
        elif conditioning == "norm":
            make.condition = _each_label(label, num_labels)
        else:
            y = layers.Embedding(num_labels, embedding, make.normal(1.0))(label)
            x, *parts = _divided(x, residual_blocks(image_shape) + 1)
            make.conditions = (_linear(layers.Concatenate()([y, part]), make) for part in parts)
    x = architecture.load().decoder(x, image_shape, make)
    if not (architecture.bounded or points):
        x = ImageRange(dtype="float32")(x)
    image = output(x, "tanh" if architecture.bounded and not points else "linear")
    model = keras.Model(inputs, image, name="generator")
    make.seed_power_iterations(model)
    return model


def _each_label(label: KerasTensor, num_labels: int) -> Condition:
    """Numbers of their own for each label, at first 0."""

    def numbers(channels: int) -> KerasTensor:
        return layers.Embedding(num_labels, channels, keras.initializers.Zeros())(label)

    return numbers


def _linear(condition: KerasTensor, make: LayerMaker) -> Condition:
    """A linear function of a vector, (B, N)."""

    def numbers(channels: int) -> KerasTensor:
        return make.dense(channels, init="orthogonal", use_bias=False)(condition)

    return numbers


def _divided(latents: KerasTensor, count: int) -> list[KerasTensor]:
    """Latents in `count` parts, of equal sizes or larger by one."""
    ends = [round(latents.shape[1] * part / count) for part in range(count + 1)]
    return [latents[:, start:end] for start, end in pairwise(ends)]


def discriminator(
    network: str,
    image_shape: ImageShape,
    make: LayerMaker,
    *,
    num_labels: int = 0,
    projected: bool = False,
    packing: int = 1,
    embedding: int = 0,
    heads: Mapping[str, int] | None = None,
    head_units: int = 0,
) -> keras.Model:
    """Builds a discriminator.

    Args:
        network: one of `ARCHITECTURES`.
        image_shape: (height, width, channels) of one image.
        make: makes the layers.
        num_labels: number of labels, 0 for none.
        projected: add the product of features and embedded labels to the logits instead of joining
            labels with the image. The embedding has spectral norm where the layers have it; else
            products are divided by the square root of the number of features.
        packing: images per input, concatenated along the channels.
        embedding: size of unit vectors: "embedding", of each image, and "proxy", of its label,
            instead of joining labels with the image; 0 for none.
        heads: further outputs: name -> units.
        head_units: units of a hidden layer that the further outputs share; 0 for none.

    Returns:
        A model from "image", (height, width, packing * channels), and with labels "label", int32,
        shape (packing,), to logits, float32, shape (1,); with an embedding, shape (packing, size),
        or heads to a dict of "logits" and these, float32.
    """
    height, width, channels = image_shape
    inputs = x = keras.Input((height, width, channels * packing), name="image")
    if num_labels:
        label = keras.Input((packing,), dtype="int32", name="label")
        inputs = [x, label]
    if num_labels and not (projected or embedding):
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
    if num_labels and projected:
        y = make.embedding(num_labels, x.shape[-1], dtype="float32")(label)
        products = projection(x, y)
        logits += products if make.spectral else products / math.sqrt(x.shape[-1])
    outputs: Any = logits
    if embedding:
        y = make.dense(packing * embedding, dtype="float32")(x)
        y = layers.Reshape((packing, embedding))(y)
        proxy = make.embedding(num_labels, embedding, dtype="float32")(label)
        unit = layers.UnitNormalization
        outputs = {"logits": logits, "embedding": unit(dtype="float32", name="embedding")(y)}
        outputs["proxy"] = unit(dtype="float32", name="proxy")(proxy)
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
