"""Layers that Keras does not have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfgan2.distributed import replicas
from tfgan2.errors import UserError

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


@keras.saving.register_keras_serializable(package="tfgan2")
class WeightNormalization(keras.layers.Wrapper):
    """Weight normalisation (Salimans & Kingma 2016, arXiv:1602.07868) of another layer.

    The layer computes with the kernel g * v / ||v||, one length g per output channel, where v is
    the layer's own kernel variable. The norm goes over all axes but that of the output channels:
    the last one, of transposed convolutions the second last, of depthwise ones the last two
    together. Gradients reach g and v; the computed kernel is stored nowhere.

    At first g = ||v||, so that the layer does what it would do alone. With `data_init`, the first
    call in training sets g and the layer's bias, if it has one, so that each output channel, before
    the activation, has standard deviation 1 and mean 0 over that batch. A call in inference never
    does: it would change a model that is only looked at, and stand in every export. Whether it is
    the first is asked inside of the graph, so compiled and resumed training do the same; several
    replicas take the moments of their batches together. Only building needs a place outside of a
    compiled function: g's first value is computed from another variable.

    The dtype of the wrapper is that of its layer's variables, and half precision is widened: under
    mixed policies g, v and the norm are float32. The layer's own policy decides what it computes
    in, and its activation is applied as ever. A kernel regulariser of the layer acts on v.

    Attributes:
        layer: the wrapped layer.
        g: the lengths, shape (output channels,), trainable.
        initialized: 0.0, or 1.0 after the data-dependent initialisation; not trainable. A float,
            since moving averages are taken of all weights.
    """

    def __init__(self, layer: keras.layers.Layer, data_init: bool = True, **kwargs: Any) -> None:
        """Wraps a layer.

        Args:
            layer: has one kernel: Dense, Conv1D to Conv3D, their transposed or depthwise kinds.
            data_init: whether the first call in training sets g and the bias.
            **kwargs: of `keras.layers.Layer`; `dtype` is not taken from here, but from the layer.

        Raises:
            UserError: the layer has an activity regulariser, which would not be counted.
        """
        # Without autocast g and v are read as they are stored, under a mixed policy as well.
        kwargs |= {"dtype": getattr(layer, "variable_dtype", None), "autocast": False}
        super().__init__(layer, **kwargs)
        if layer.activity_regularizer is not None:
            raise UserError("give activity_regularizer to WeightNormalization, not to its layer")
        self.data_init = data_init

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer, and g from the initial v.

        Raises:
            UserError: the layer has no kernel.
        """
        super().build(input_shape)
        kernel = getattr(self.layer, "kernel", None)
        if not isinstance(kernel, keras.Variable):
            kind = type(self.layer).__name__
            raise UserError(f"WeightNormalization needs a layer with a kernel, not {kind}")
        rank = len(kernel.shape)
        channels = {rank - 1}
        if isinstance(self.layer, _TRANSPOSED):
            channels = {rank - 2}
        elif isinstance(self.layer, _DEPTHWISE):
            channels = {rank - 2, rank - 1}
        self._norm_axes = [axis for axis in range(rank) if axis not in channels]
        self._g_shape = [size if axis in channels else 1 for axis, size in enumerate(kernel.shape)]
        # A function, since the kernel may get its own value only later.
        self.g = self.add_weight(
            name="g",
            shape=(tf.TensorShape(self._g_shape).num_elements(),),
            initializer=lambda shape, dtype: tf.cast(tf.reshape(self._norm(), shape), dtype),
        )
        self.initialized = self.add_weight(
            name="initialized", shape=(), dtype="float32", initializer="zeros", trainable=False
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """What the layer makes of the inputs with the normalised kernel."""
        if training and self.data_init:
            self._initialize(tf.stop_gradient(inputs))
        g = tf.reshape(_wide(self.g.value), self._g_shape)
        return self._layer_with(inputs, [(self.layer.kernel, g * self._direction())])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        # Keras would take this layer's dtype for that of the outputs.
        return self.layer.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_init": self.data_init}

    def _norm(self) -> tf.Tensor:
        """||v||, at least float32, with axes of size 1 for those summed over."""
        squares = _wide(self.layer.kernel.value) ** 2
        return tf.sqrt(tf.reduce_sum(squares, self._norm_axes, keepdims=True))

    def _direction(self) -> tf.Tensor:
        """v / ||v||, at least float32."""
        return tf.nn.l2_normalize(_wide(self.layer.kernel.value), axis=self._norm_axes)

    def _layer_with(
        self, inputs: tf.Tensor, values: list[tuple[keras.Variable, tf.Tensor]]
    ) -> tf.Tensor:
        """The layer's outputs where some of its variables have other values."""
        # All variables: a scope around this one, which may have values for them, is hidden.
        current = [(variable, variable.value) for variable in self.layer.variables]
        with keras.StatelessScope(current + values, initialize_variables=False):
            return self.layer(inputs)

    def _initialize(self, inputs: tf.Tensor) -> None:
        """Sets g and the bias from the inputs, unless that was done before."""
        bias = getattr(self.layer, "bias", None)
        done = self.initialized.value > 0
        count = self.g.shape[0]

        def moments() -> tuple[tf.Tensor, tf.Tensor]:
            values = [(self.layer.kernel, self._direction())]
            if bias is not None:
                values.append((bias, tf.zeros(bias.shape, bias.dtype)))
            with _without_activation(self.layer):
                outputs = _wide(self._layer_with(inputs, values))
            first = getattr(self.layer, "data_format", None) == "channels_first"
            channel = 1 if first else outputs.shape.rank - 1
            axes = [axis for axis in range(outputs.shape.rank) if axis != channel]
            mean, variance = tf.nn.moments(outputs, axes)
            return tf.reshape(mean, (count,)), tf.reshape(variance, (count,))

        def nothing() -> tuple[tf.Tensor, tf.Tensor]:
            zeros = tf.zeros((count,), _wide(self.g.value).dtype)
            return zeros, zeros

        mean, variance = tf.cond(done, nothing, moments)
        # Every replica must set the same. Out here: replicas cannot meet inside of a cond.
        center = replicas.mean(mean)
        variance = replicas.mean(variance + (mean - center) ** 2)
        scale = tf.math.rsqrt(variance + 1e-10)
        for variable, value in ((self.g, scale), (bias, -center * scale)):
            if variable is not None:
                value = tf.cast(value, variable.dtype)
                variable.assign(tf.where(done, variable.value, value))
        self.initialized.assign(1.0)


@keras.saving.register_keras_serializable(package="tfgan2")
class SpectralNormalization(keras.layers.SpectralNormalization):
    """Keras' layer, which keeps its layer's kernel in float32 under mixed policies.

    Keras' own reads the kernel as the policy computes, divides it, and stores the quotient: in
    training each pass would round the weights to half precision, and with them the updates.
    """

    def __init__(self, layer: keras.layers.Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        kwargs |= {"dtype": layer.variable_dtype, "autocast": False}
        super().__init__(layer, power_iterations, **kwargs)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        # Keras would take this layer's dtype for that of the outputs.
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), inputs.dtype)


@keras.saving.register_keras_serializable(package="tfgan2")
class Dropout(keras.layers.Dropout):
    """Keras' layer; no two replicas drop the same."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if replicas.count() == 1 or not training or not self.rate:
            return super().call(inputs, training=training)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.math.floormod(self.seed_generator.next(), tf.int32.max - 1)
        seed = tf.random.experimental.stateless_fold_in(
            tf.cast(seed, tf.int32), tf.cast(replica, tf.int32)
        )
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)


def _wide(values: tf.Tensor) -> tf.Tensor:
    """Half precision becomes float32."""
    values = tf.convert_to_tensor(values)
    return tf.cast(values, tf.float32) if values.dtype.size < 4 else values


@contextlib.contextmanager
def _without_activation(layer: keras.layers.Layer) -> Iterator[None]:
    activation = getattr(layer, "activation", None)
    if activation is not None:
        layer.activation = None
    try:
        yield
    finally:
        if activation is not None:
            layer.activation = activation


@keras.saving.register_keras_serializable(package="tfgan2")
class ImageRange(keras.layers.Layer):
    """Clips to [-1, 1]; of what lies outside, gradients pass that lead back inside.

    For generators whose paper has no tanh at the end: the ends of a tanh, or of a plain clip, pass
    no gradient at all, and if all gradients passed, values could leave the range for good.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def clipped(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                # A descent moves against the gradient.
                outwards = ((x > 1.0) & (upstream < 0.0)) | ((x < -1.0) & (upstream > 0.0))
                return tf.where(outwards, tf.zeros_like(upstream), upstream)

            return tf.clip_by_value(x, -1.0, 1.0), gradient

        return clipped(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="tfgan2")
class ReflectionPadding(keras.layers.Layer):
    """Mirrors the images' borders outwards, by as many pixels on all four sides.

    Convolutions that follow do not see the dark frame that zeros would be.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        """
        Args:
            size: pixels, less than the images' edges.
            **kwargs: of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        around = (self.size, self.size)
        return tf.pad(inputs, ((0, 0), around, around, (0, 0)), mode="REFLECT")

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *edges, channels = input_shape
        return batch, *(edge and edge + 2 * self.size for edge in edges), channels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="tfgan2")
class PixelShuffle(keras.layers.Layer):
    """Channels become pixels (Shi et al. 2016, arXiv:1609.05158).

    (height, width, factor^2 * C) becomes (factor * height, factor * width, C).
    """

    def __init__(self, factor: int, **kwargs: Any) -> None:
        """
        Args:
            factor: at least 2.
            **kwargs: of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.depth_to_space(inputs, self.factor)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *edges, channels = input_shape
        return batch, *(edge and edge * self.factor for edge in edges), channels // self.factor**2

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="tfgan2")
class Hidden(keras.layers.Layer):
    """(image, mask) to the image with zeros, which are grey, where the mask is 1, and the mask."""

    def call(self, inputs: list) -> object:
        image, mask = inputs
        return ops.concatenate([ops.where(mask > 0.5, ops.zeros_like(image), image), mask], axis=-1)


@keras.saving.register_keras_serializable(package="tfgan2")
class Filled(keras.layers.Layer):
    """(image, mask, made): what was made where the mask is 1, elsewhere the very image."""

    def call(self, inputs: list) -> object:
        image, mask, made = inputs
        return ops.where(mask > 0.5, made, image)


@keras.saving.register_keras_serializable(package="tfgan2")
class MeanOfWords(keras.layers.Layer):
    """(features, words) to the mean of the features over the words that are no padding."""

    def call(self, inputs: list) -> object:
        features, numbers = inputs
        there = ops.cast(ops.expand_dims(numbers > 0, -1), features.dtype)
        count = ops.maximum(ops.sum(there, axis=1), 1.0)
        return ops.sum(features * there, axis=1) / count


@keras.saving.register_keras_serializable(package="tfgan2")
class Spread(keras.layers.Layer):
    """(vector, image) to the image with the vector as further channels of every pixel."""

    def call(self, inputs: list) -> object:
        vector, image = inputs
        zeros = ops.zeros_like(image[..., :1])
        spread = ops.cast(vector, image.dtype)[:, None, None, :] + zeros
        return ops.concatenate([image, spread], axis=-1)
