"""Generators and discriminators by the name of their architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from tfgan2.images import is_points
from tfgan2.networks import began, dcgan, mlp, resnet
from tfgan2.networks.parts import Initializers, check_square, features_and_heads, seed_spectral

# The default width of each: units or channels.
WIDTHS = {"mlp": 512, "dcgan": 64, "resnet": 128, "tutorial": 128, "began": 64}
# What the layers that see images have between them, where a flavour does not want it otherwise.
NORMS = {"mlp": "none", "dcgan": "batch", "resnet": "batch", "tutorial": "none", "began": "none"}
POINTS_WIDTH = 128
# Images as small as MNIST and CIFAR-10 train three times as fast with half of the paper's width.
SMALL, SMALL_WIDTH = 32, 32
LABEL_EMBEDDING = 50


def choose(network: str, image_shape: tuple[int, int, int]) -> str:
    """The architecture for images of a shape: the one asked for, and "mlp" for points.

    Raises:
        UserError: images that it cannot make.
    """
    if is_points(image_shape):
        return "mlp"
    if network != "mlp":
        check_square(image_shape)
    return network


def default_width(network: str, image_shape: tuple[int, int, int]) -> int:
    """Units or channels at the images' end where none are asked for."""
    if is_points(image_shape):
        return POINTS_WIDTH
    if network == "dcgan" and image_shape[0] <= SMALL:
        return SMALL_WIDTH
    return WIDTHS[network]


def make_image(
    network: str,
    x: keras.KerasTensor,
    image_shape: tuple[int, int, int],
    *,
    width: int,
    max_width: int,
    init: Initializers,
) -> keras.KerasTensor:
    """The values from which a last activation makes the image: float, shape `image_shape`."""
    if network == "dcgan":
        return dcgan.strided_generator(x, image_shape, width=width, max_width=max_width, init=init)
    build = {
        "mlp": mlp.generator,
        "resnet": resnet.generator,
        "tutorial": dcgan.tutorial_generator,
        "began": began.generator,
    }[network]
    return build(x, image_shape, width=width, init=init)


def see_image(
    network: str,
    x: keras.KerasTensor,
    *,
    width: int,
    max_width: int,
    norm: str,
    use_spectral: bool = False,
    dropout: float = 0.0,
    init: Initializers,
) -> keras.KerasTensor:
    """Features of an image: float, shape (n,)."""
    settings: dict[str, Any] = {
        "width": width,
        "norm": norm,
        "use_spectral": use_spectral,
        "dropout": dropout,
        "init": init,
    }
    if network == "dcgan":
        return dcgan.strided_features(x, max_width=max_width, **settings)
    build = {
        "mlp": mlp.features,
        "resnet": resnet.features,
        "tutorial": dcgan.tutorial_features,
        "began": began.features,
    }[network]
    return build(x, **settings)


def generator(
    network: str,
    image_shape: tuple[int, int, int],
    latent_dim: int,
    *,
    width: int,
    max_width: int,
    seed: int,
    num_labels: int = 0,
) -> keras.Model:
    """A generator.

    Args:
        network: one of `WIDTHS`.
        image_shape: (height, width, channels).
        latent_dim: length of the latents.
        width: units or channels; see the architecture.
        max_width: most channels of a layer; "dcgan" only.
        seed: of the initial weights.
        num_labels: how many labels it tells apart; 0: it takes none.

    Returns:
        A functional model from "z", float32, shape (latent_dim,), and with labels "label", int32,
        shape (), to "image", float32, in [-1, 1]; points are not bounded.
    """
    init = Initializers(seed)
    inputs = x = keras.Input((latent_dim,), name="z")
    if num_labels:
        label = keras.Input((), dtype="int32", name="label")
        inputs = [x, label]
        # Of length 1 or so, as a one-hot label is: a longer one drowns the latents, and the images
        # of a class come out all the same (measured with acgan on MNIST).
        length = LABEL_EMBEDDING**-0.5
        embedding = layers.Embedding(num_labels, LABEL_EMBEDDING, init.normal(length))
        x = layers.Concatenate()([x, embedding(label)])
    x = make_image(network, x, image_shape, width=width, max_width=max_width, init=init)
    last = "linear" if is_points(image_shape) else "tanh"
    image = layers.Activation(last, dtype="float32", name="image")(x)
    return keras.Model(inputs, image, name="generator")


def discriminator(
    network: str,
    image_shape: tuple[int, int, int],
    *,
    width: int,
    max_width: int,
    seed: int,
    norm: str,
    use_spectral: bool = False,
    dropout: float = 0.0,
    num_labels: int = 0,
    packing: int = 1,
    heads: Mapping[str, int] | None = None,
    head_width: int = 0,
) -> keras.Model:
    """A discriminator.

    Args:
        network: one of `WIDTHS`.
        image_shape: (height, width, channels) of one image.
        width: units or channels; see the architecture.
        max_width: most channels of a layer; "dcgan" only.
        seed: of the initial weights and of the dropout.
        norm: "none", "batch" or "layer".
        use_spectral: hold all kernels to a spectral norm of 1.
        dropout: share of the units dropped: after every layer of "mlp", before the last of others.
        num_labels: how many labels it is told apart from; 0: it is told none.
        packing: how many images it judges together, joined along the channels.
        heads: further outputs: name -> units.
        head_width: units of a hidden layer that the heads share; 0: none.

    Returns:
        A functional model from "image", (height, width, packing * channels), and with labels
        "label", int32, shape (packing,), to logits, float32, shape (1,), or with heads to a dict
        of "logits" and the heads, float32.
    """
    init = Initializers(seed)
    height, breadth, channels = image_shape
    inputs = x = keras.Input((height, breadth, channels * packing), name="image")
    if num_labels:
        label = keras.Input((packing,), dtype="int32", name="label")
        inputs = [x, label]
        # Joined as the architecture takes it: as further features, or as further channels.
        size = LABEL_EMBEDDING if network == "mlp" else height * breadth
        embedded = layers.Embedding(num_labels, size, init.normal(1.0))(label)
        if network == "mlp":
            x = layers.Concatenate()([layers.Flatten()(x), layers.Flatten()(embedded)])
        else:
            maps = layers.Reshape((packing, height, breadth))(embedded)
            x = layers.Concatenate()([x, layers.Permute((2, 3, 1))(maps)])
    features = see_image(
        network,
        x,
        width=width,
        max_width=max_width,
        norm=norm,
        use_spectral=use_spectral,
        dropout=dropout,
        init=init,
    )
    model = features_and_heads(
        inputs,
        features,
        init,
        use_spectral=use_spectral,
        heads=dict(heads or {}),
        head_width=head_width,
    )
    seed_spectral(model, init)
    return model
