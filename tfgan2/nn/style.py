"""Layers of StyleGAN2, Karras et al. 2020 (arXiv:1912.04958)."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfgan2.nn.equalized import EqualizedConv2D
from tfgan2.nn.resampling import blur

_TINY = 1e-8


@keras.saving.register_keras_serializable(package="tfgan2")
class Normalized(keras.layers.Layer):
    """Divides each row of (B, D) by the root of its mean square."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        squares = tf.reduce_mean(tf.square(inputs), axis=-1, keepdims=True)
        return inputs * tf.math.rsqrt(squares + _TINY)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="tfgan2")
class Constant(keras.layers.Layer):
    """A learned image, (1, H, W, C), that all samples share, whatever the input."""

    def __init__(
        self, shape: tuple[int, int, int], initializer: Any = "random_normal", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.shape, self.initializer = tuple(shape), keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        self.image = self.add_weight(name="image", shape=self.shape, initializer=self.initializer)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.convert_to_tensor(self.image), self.compute_dtype)[None]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *self.shape)

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "shape": self.shape, "initializer": initializer}


@keras.saving.register_keras_serializable(package="tfgan2")
class ModulatedConv2D(EqualizedConv2D):
    """A convolution whose kernel each sample's style scales: from (images, styles).

    A style, shape (B, C), scales the kernel along its input channels. `demodulate` then divides the
    kernel of each output channel by its length, which keeps the size of features whatever the
    style. Here styles scale the features before one convolution that all samples share, and the
    inverse lengths scale what comes out: the same numbers, without a kernel for each sample.

    With `upsample` height and width double: a transposed convolution, and the filter [1, 3, 3, 1].
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        demodulate: bool = True,
        upsample: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        self.demodulate, self.upsample = demodulate, upsample

    def build(self, images_shape: Any, styles_shape: Any = None) -> None:
        super().build(images_shape)

    def call(self, images: tf.Tensor, styles: tf.Tensor) -> tf.Tensor:  # type: ignore[override]
        kernel = tf.convert_to_tensor(self.kernel) * self.scale
        if images.dtype == tf.float16 and self.demodulate:
            # Demodulation cancels any scale of a style: this one prevents overflow.
            styles /= tf.reduce_max(tf.abs(styles), axis=1, keepdims=True) + _TINY
        modulated = images * styles[:, None, None, :]
        if self.upsample:
            # Zeros between the pixels: the filter has to make up for three of four.
            outputs = blur(self.transposed(modulated, 4.0 * kernel), (1, 1))
        else:
            outputs = self.convolution_op(modulated, kernel)
        if self.demodulate:
            outputs *= self._inverse_lengths(kernel, styles)[:, None, None, :]
        return self.finished(outputs)

    def _inverse_lengths(self, kernel: tf.Tensor, styles: tf.Tensor) -> tf.Tensor:
        """`gain` / the length of each output channel's scaled kernel, shape (B, filters)."""
        kernel, wide = tf.cast(kernel, tf.float32), tf.cast(styles, tf.float32)
        squares = tf.matmul(tf.square(wide), tf.reduce_sum(tf.square(kernel), axis=(0, 1)))
        return tf.cast(self.gain * tf.math.rsqrt(squares + _TINY), styles.dtype)

    def transposed(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """A transposed convolution of stride 2, from edges of n to 2 n + 1 for a 3x3 kernel."""
        edges = [2 * size + self.kernel_size[0] - 2 for size in inputs.shape[1:3]]
        count = inputs.shape[0] or tf.shape(inputs)[0]
        kernel = tf.transpose(kernel, (0, 1, 3, 2))
        return tf.nn.conv2d_transpose(inputs, kernel, (count, *edges, self.filters), 2, "VALID")

    def compute_output_shape(self, images_shape: Any, styles_shape: Any = None) -> Any:
        batch, height, width, _ = images_shape
        grow = 2 if self.upsample else 1
        return (batch, grow * height, grow * width, self.filters)

    def get_config(self) -> dict[str, Any]:
        own = {"demodulate": self.demodulate, "upsample": self.upsample}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tfgan2")
class Noise(keras.layers.Layer):
    """Adds noise of a learned strength to each pixel, the same in all channels.

    Without noise as an argument it adds `constant`, if there is one.

    Attributes:
        strength: standard deviation of the noise, a scalar; 0 at first.
        constant: noise of samples, shape (H, W, 1), not trained; None for none, the mean.
    """

    def __init__(
        self, *, constant: bool = False, gain: float = 1.0, initializer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.has_constant, self.gain, self.constant = constant, gain, None
        self.initializer = keras.initializers.get(initializer or "random_normal")

    def build(self, images_shape: Any, noise_shape: Any = None) -> None:
        self.strength = self.add_weight(name="strength", shape=(), initializer="zeros")
        if self.has_constant:
            self.constant = self.add_weight(
                name="constant",
                shape=(*images_shape[1:3], 1),
                initializer=self.initializer,
                trainable=False,
            )

    def call(self, images: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        noise = self.constant if noise is None else noise
        if noise is None:
            return images
        strength = tf.convert_to_tensor(self.strength) * self.gain
        return images + strength * tf.cast(tf.convert_to_tensor(noise), images.dtype)

    def compute_output_shape(self, images_shape: Any, noise_shape: Any = None) -> Any:
        return images_shape

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.initializer)
        own = {"constant": self.has_constant, "gain": self.gain, "initializer": initializer}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tfgan2")
class StyleMean(keras.layers.Layer):
    """Keeps the mean style, which truncation draws styles to; styles pass unchanged.

    Attributes:
        mean: moving average of W, shape (D,), not trained.
    """

    def build(self, input_shape: Any) -> None:
        self.mean = self.add_weight(
            name="mean", shape=input_shape[1:], initializer="zeros", trainable=False
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="tfgan2")
class Truncation(StyleMean):
    """Moves styles towards the mean style, Karras et al. 2019 (arXiv:1812.04948).

    From (styles, fractions), shapes (B, D) and (B,): the result keeps these fractions of the
    distances from the mean.
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape[0])

    def call(self, inputs: Any) -> tf.Tensor:
        styles, fractions = inputs[0], inputs[1][:, None]
        return styles * fractions + tf.convert_to_tensor(self.mean) * (1.0 - fractions)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]


@keras.saving.register_keras_serializable(package="tfgan2")
class MinibatchDeviation(keras.layers.Layer):
    """Appends a channel that says how much samples differ, Karras et al. 2018 (arXiv:1710.10196).

    Its value is the standard deviation of a feature within a group of consecutive samples, averaged
    over all features. The batch consists of whole groups: so a micro-batch, or the share of a
    replica, which does too, gives its samples what the whole batch would.
    """

    def __init__(self, group: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group = group

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width, channels = inputs.shape[1:]
        groups = tf.reshape(inputs, (-1, self.group, height, width, channels))
        deviations = tf.sqrt(tf.math.reduce_variance(groups, axis=1, keepdims=True) + _TINY)
        means = tf.reduce_mean(deviations, axis=(2, 3, 4), keepdims=True)
        channel = tf.broadcast_to(means, tf.shape(groups[..., :1]))
        return tf.concat([inputs, tf.reshape(channel, (-1, height, width, 1))], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "group": self.group}


def path_lengths(generate: Any, styles: tf.Tensor, directions: tf.Tensor) -> tf.Tensor:
    """Returns how much images change with their styles, in random directions (path lengths).

    |J^T y| for each sample: J is the derivative of its image with respect to its styles, and y a
    direction in the space of images, N(0, I) / sqrt(pixels). The square of the length is the mean
    over the styles.

    Args:
        generate: from styles to images, float32, shape (B, H, W, C).
        styles: shape (B, styles, D).
        directions: N(0, 1), shape (B, H, W, C).

    Returns:
        Lengths, float32, shape (B,); they have gradients of their own.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(styles)
        images = generate(styles)
        pixels = math.prod(images.shape[1:3])
        product = tf.reduce_sum(images * directions) / math.sqrt(pixels)
    gradients = tf.cast(tape.gradient(product, styles), tf.float32)
    squares = tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=2), axis=1)
    # The gradient of a maximum is zero where that of the root would be infinite.
    return tf.sqrt(tf.maximum(squares, 1e-30))
