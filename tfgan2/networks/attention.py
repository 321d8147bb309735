"""Self-attention of Zhang et al. 2019 (arXiv:1805.08318)."""

from __future__ import annotations

import math
from collections.abc import Callable

from keras import KerasTensor, layers

from tfgan2.nn.layers import Gain


def self_attention(x: KerasTensor, conv: Callable[..., layers.Layer]) -> KerasTensor:
    """Adds to each pixel what it takes from all others, times a learned gain that begins at 0.

    Queries and keys, theta and phi, have an eighth of the channels, and values, g, half of them. As
    in the authors' code, keys and values are those of a 2x2 maximum. The softmax is in float32.

    Args:
        x: features, shape (B, height, width, channels).
        conv: makes a convolution, from channels and the edge of the kernel.
    """
    height, width, channels = x.shape[1:]

    def rows(y: KerasTensor) -> KerasTensor:
        return layers.Reshape((math.prod(y.shape[1:3]), y.shape[-1]))(y)

    def pooled(y: KerasTensor) -> KerasTensor:
        return layers.MaxPooling2D(2, padding="same")(y)

    inner, half = max(1, channels // 8), max(1, channels // 2)
    queries = rows(conv(inner, 1, use_bias=False)(x))
    keys = rows(pooled(conv(inner, 1, use_bias=False)(x)))
    values = rows(pooled(conv(half, 1, use_bias=False)(x)))
    weights = layers.Softmax(dtype="float32")(layers.Dot(2)([queries, keys]))
    taken = layers.Dot((2, 1))([weights, values])
    taken = conv(channels, 1, use_bias=False)(layers.Reshape((height, width, half))(taken))
    return layers.Add()([x, Gain()(taken)])
