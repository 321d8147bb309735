"""Layers that resample features: by a [1, 2, 1] filter, and between a vector and a small image.

They consist of slices, sums and products, which all export formats have and XLA fuses.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="tfgan2")
class LinearUpsampling(keras.layers.Layer):
    """Doubles height and width with the filter [1, 2, 1] / 2 between zeros, in both directions.

    Of a row x this makes x_0, (x_0 + x_1) / 2, x_1, (x_1 + x_2) / 2, …; the last one is repeated.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width, channels = inputs.shape[1:]
        following = ops.concatenate([inputs[:, :, 1:], inputs[:, :, -1:]], axis=2)
        # Neighbours along the channels are neighbours along the width after the reshaping.
        x = ops.concatenate([inputs, 0.5 * (inputs + following)], axis=3)
        x = ops.reshape(x, (-1, height, 2 * width, channels))
        following = ops.concatenate([x[:, 1:], x[:, -1:]], axis=1)
        x = ops.concatenate([x, 0.5 * (x + following)], axis=2)
        return ops.reshape(x, (-1, 2 * height, 2 * width, channels))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, 2 * height, 2 * width, channels)


@keras.saving.register_keras_serializable(package="tfgan2")
class LinearDownsampling(keras.layers.Layer):
    """Halves height and width, which are even, with the filter [1, 2, 1] / 4 in both directions.

    Of a row x this makes (x_-1 + 2 x_0 + x_1) / 4, (x_1 + 2 x_2 + x_3) / 4, …; x_-1 is x_0.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width, channels = inputs.shape[1:]
        x = ops.reshape(inputs, (-1, height // 2, 2 * width, channels))
        even, odd = x[:, :, :width], x[:, :, width:]
        before = ops.concatenate([even[:, :1], odd[:, :-1]], axis=1)
        x = 0.5 * even + 0.25 * (before + odd)
        x = ops.reshape(x, (-1, height // 2, width // 2, 2 * channels))
        even, odd = x[..., :channels], x[..., channels:]
        before = ops.concatenate([even[:, :, :1], odd[:, :, :-1]], axis=2)
        return 0.5 * even + 0.25 * (before + odd)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, height // 2, width // 2, channels)


@keras.saving.register_keras_serializable(package="tfgan2")
class Basis(keras.layers.Layer):
    """Multiplies features by a learned image: from (B, H, W, C), or (B, 1, 1, C), to (B, H, W, C).

    Attributes:
        size: H and W.
        basis: the learned image, shape (H, W, C).
    """

    def __init__(self, size: tuple[int, int], initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = tuple(size)
        self.initializer = keras.initializers.get(initializer or "random_normal")

    def build(self, input_shape: Any) -> None:
        shape = (*self.size, input_shape[-1])
        self.basis = self.add_weight(name="basis", shape=shape, initializer=self.initializer)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * self.basis

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *self.size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "size": self.size, "initializer": initializer}
