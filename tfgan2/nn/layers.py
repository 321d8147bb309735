"""Layers that Keras does not have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfgan2.distributed import microbatches, replicas
from tfgan2.errors import UserError

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


@keras.saving.register_keras_serializable(package="tfgan2")
class WeightNormalization(keras.layers.Wrapper):
    """Weight normalization of another layer, Salimans and Kingma 2016 (arXiv:1602.07868).

    The layer computes with the kernel g * v / ||v||, where v is its own kernel variable and g has
    one element per output channel. The norm is over all axes except that of the output channels:
    the last axis; for transposed convolutions the second last; for depthwise convolutions the last
    two together. Gradients reach g and v. The normalized kernel is not stored.

    Initially g = ||v||, so the wrapped layer computes what it would compute alone. With
    `data_init`, the first training call sets g and the bias so that each output channel, before the
    activation, has mean 0 and standard deviation 1 over that batch; replicas share these moments.
    Inference never initializes. Build the layer outside of a compiled function, since the initial g
    is computed from another variable.

    g, v and the norm are float32 under mixed precision policies; the layer's own policy decides
    what it computes in. A kernel regularizer of the layer acts on v.

    Attributes:
        layer: the wrapped layer.
        g: length of the kernel of each output channel, shape (output channels,), trainable.
        initialized: 0.0, or 1.0 after the initialization from data; not trainable. A float, because
            moving averages are taken of all weights.
    """

    def __init__(self, layer: keras.layers.Layer, data_init: bool = True, **kwargs: Any) -> None:
        """Wraps a layer with one kernel: Dense, Conv1D to Conv3D, transposed or depthwise.

        `data_init` initializes g and the bias in the first training call. The layer decides the
        `dtype`.

        Raises:
            UserError: the layer has an activity regularizer, which would have no effect.
        """
        # Without autocast, g and v are read in float32 under a mixed policy too.
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
        # A function, because the kernel may get its value later.
        self.g = self.add_weight(
            name="g",
            shape=(tf.TensorShape(self._g_shape).num_elements(),),
            initializer=lambda shape, dtype: tf.cast(tf.reshape(self._norm(), shape), dtype),
        )
        self.initialized = self.add_weight(
            name="initialized", shape=(), dtype="float32", initializer="zeros", trainable=False
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the layer's outputs with the normalized kernel."""
        if training and self.data_init:
            self._initialize(tf.stop_gradient(inputs))
        g = tf.reshape(_at_least_float32(self.g.value), self._g_shape)
        return self._call_layer(inputs, [(self.layer.kernel, g * self._direction())])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        # Keras would give the outputs the dtype of this layer.
        return self.layer.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_init": self.data_init}

    def _norm(self) -> tf.Tensor:
        """||v||, at least float32; the axes of the norm have size 1."""
        squares = _at_least_float32(self.layer.kernel.value) ** 2
        return tf.sqrt(tf.reduce_sum(squares, self._norm_axes, keepdims=True))

    def _direction(self) -> tf.Tensor:
        """v / ||v||, at least float32."""
        return tf.nn.l2_normalize(_at_least_float32(self.layer.kernel.value), axis=self._norm_axes)

    def _call_layer(
        self, inputs: tf.Tensor, values: list[tuple[keras.Variable, tf.Tensor]]
    ) -> tf.Tensor:
        """Calls the layer with other values for some of its variables."""
        # All variables, because an outer stateless scope, which may replace them, is hidden.
        current = [(variable, variable.value) for variable in self.layer.variables]
        with keras.StatelessScope(current + values, initialize_variables=False):
            return self.layer(inputs)

    def _initialize(self, inputs: tf.Tensor) -> None:
        """Sets g and the bias from a batch, unless they have been set before."""
        bias = getattr(self.layer, "bias", None)
        initialized = self.initialized.value > 0
        count = self.g.shape[0]

        def moments() -> tuple[tf.Tensor, tf.Tensor]:
            values = [(self.layer.kernel, self._direction())]
            if bias is not None:
                values.append((bias, tf.zeros(bias.shape, bias.dtype)))
            with _without_activation(self.layer):
                outputs = _at_least_float32(self._call_layer(inputs, values))
            channels_first = getattr(self.layer, "data_format", None) == "channels_first"
            channel = 1 if channels_first else outputs.shape.rank - 1
            axes = [axis for axis in range(outputs.shape.rank) if axis != channel]
            mean, variance = tf.nn.moments(outputs, axes)
            return tf.reshape(mean, (count,)), tf.reshape(variance, (count,))

        def zeros() -> tuple[tf.Tensor, tf.Tensor]:
            values = tf.zeros((count,), _at_least_float32(self.g.value).dtype)
            return values, values

        mean, variance = tf.cond(initialized, zeros, moments)
        # Outside of the cond, in which replicas cannot communicate.
        center = replicas.mean(mean)
        variance = replicas.mean(variance + (mean - center) ** 2)
        scale = tf.math.rsqrt(variance + 1e-10)
        for variable, value in ((self.g, scale), (bias, -center * scale)):
            if variable is not None:
                value = tf.cast(value, variable.dtype)
                variable.assign(tf.where(initialized, variable.value, value))
        self.initialized.assign(1.0)


def _at_least_float32(values: tf.Tensor) -> tf.Tensor:
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
class SpectralNormalization(keras.layers.SpectralNormalization):
    """Keras' layer, with the kernel in float32 under mixed precision policies.

    Keras' layer stores the kernel after a division in the compute dtype: every training call would
    round the weights to half precision and so lose small updates. It also gives its outputs the
    dtype of its inputs, which are integers for an embedding.
    """

    def __init__(self, layer: keras.layers.Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        kwargs |= {"dtype": layer.variable_dtype, "autocast": False}
        super().__init__(layer, power_iterations, **kwargs)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        # Training stores the normalized kernel: one that is frozen stays as it is.
        if training and self.kernel.trainable:
            vector_u, kernel = ops.cond(
                ops.all(ops.equal(self.kernel.value, 0)),
                lambda: (self.vector_u.value, self.kernel.value),
                self.normalized_weights,
            )
            self.vector_u.assign(vector_u)
            self.kernel.assign(kernel)
        return self.layer(inputs)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        # Keras would give the outputs the dtype of this layer.
        return self.layer.compute_output_spec(inputs)


@keras.saving.register_keras_serializable(package="tfgan2")
class Dropout(keras.layers.Dropout):
    """Keras' layer, with a different mask on each replica and for each micro-batch."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or not self.rate:
            return inputs
        if microbatches.current() is None:
            return self._dropped(inputs)
        # The samples have the masks that they would have in the whole batch.
        masks = microbatches.drawn(
            lambda shape: self._dropped(tf.ones(shape, inputs.dtype)), tf.shape(inputs)
        )
        return inputs * masks

    def _dropped(self, inputs: tf.Tensor) -> tf.Tensor:
        if replicas.count() == 1:
            return super().call(inputs, training=True)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.math.floormod(self.seed_generator.next(), tf.int32.max - 1)
        seed = tf.random.experimental.stateless_fold_in(
            tf.cast(seed, tf.int32), tf.cast(replica, tf.int32)
        )
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)


@keras.saving.register_keras_serializable(package="tfgan2")
class GatedLinearUnit(keras.layers.Layer):
    """The first half of the channels times the sigmoid of the second, Dauphin et al. 2016."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        values, gates = tf.split(inputs, 2, axis=-1)
        return values * tf.sigmoid(gates)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], input_shape[-1] // 2)


@keras.saving.register_keras_serializable(package="tfgan2")
class Gain(keras.layers.Layer):
    """Multiplies by a learned number that begins at 0."""

    def build(self, input_shape: Any) -> None:
        self.gain = self.add_weight(name="gain", shape=(), initializer="zeros")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.gain * inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="tfgan2")
class ImageRange(keras.layers.Layer):
    """Clips to [-1, 1]; outside, only gradients that lead back inside pass.

    For generators whose paper has no final tanh. Saturated ends of a tanh, or a plain clip, pass no
    gradient; if all gradients passed, values could leave the range for good.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def clip(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                # Descent moves against the gradient.
                outwards = ((x > 1.0) & (upstream < 0.0)) | ((x < -1.0) & (upstream > 0.0))
                return tf.where(outwards, tf.zeros_like(upstream), upstream)

            return tf.clip_by_value(x, -1.0, 1.0), gradient

        return clip(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="tfgan2")
class AppendVector(keras.layers.Layer):
    """From (vector, image): appends the vector, (B, D), to the channels of every pixel."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        vector, image = inputs
        zeros = ops.zeros_like(image[..., :1])
        vectors = ops.cast(vector, image.dtype)[:, None, None, :] + zeros
        return ops.concatenate([image, vectors], axis=-1)
