"""The generator of Johnson et al. 2016 (arXiv:1603.08155), as CycleGAN has it."""

from __future__ import annotations

import keras
from keras import layers

from tfgan2.networks.parts import Initializers, normalised
from tfgan2.nn.layers import ReflectionPadding

HALVINGS = 2


def default_blocks(size: int) -> int:
    """The paper's: 9 residual blocks from 256 pixels on, else 6."""
    return 9 if size >= 256 else 6


def generator(
    input_shape: tuple[int | None, int | None, int],
    channels: int,
    *,
    blocks: int,
    width: int,
    norm: str,
    seed: int,
    name: str = "generator",
) -> keras.Model:
    """A 7x7 convolution, two of stride 2, residual blocks, and back.

    Args:
        input_shape: (height, width, channels), multiples of 4; None for any.
        channels: of the images to be made.
        blocks: how many residual blocks.
        width: channels of the first layer; the blocks have four times as many.
        norm: one of `parts.NORMS`.
        seed: of the initial weights.
        name: of the model.

    Returns:
        A functional model from "input" to "image", float32, in [-1, 1].
    """
    init = Initializers(seed)
    image = keras.Input(input_shape, name="input")

    def settings(padding: str = "same") -> dict[str, object]:
        bias = norm == "none"
        return {"padding": padding, "use_bias": bias, "kernel_initializer": init.normal()}

    def block(y: keras.KerasTensor) -> keras.KerasTensor:
        filters = y.shape[-1]
        made = y
        for first in (True, False):
            made = ReflectionPadding(1)(made)
            made = normalised(layers.Conv2D(filters, 3, **settings("valid"))(made), norm)
            made = layers.ReLU()(made) if first else made
        return layers.Add()([y, made])

    x = layers.Conv2D(width, 7, **settings("valid"))(ReflectionPadding(3)(image))
    x = layers.ReLU()(normalised(x, norm))
    for level in range(1, HALVINGS + 1):
        x = layers.Conv2D(width * 2**level, 3, 2, **settings())(x)
        x = layers.ReLU()(normalised(x, norm))
    for _ in range(blocks):
        x = block(x)
    for level in reversed(range(HALVINGS)):
        x = layers.Conv2DTranspose(width * 2**level, 3, 2, **settings())(x)
        x = layers.ReLU()(normalised(x, norm))
    x = layers.Conv2D(channels, 7, kernel_initializer=init.normal())(ReflectionPadding(3)(x))
    x = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model(image, x, name=name)
