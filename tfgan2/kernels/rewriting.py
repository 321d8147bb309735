"""Rewrites layers, while a step is traced, into forms that XLA runs faster; weights are unchanged.

On a CPU, convolutions take the form of `winograd` or `patches` where it is faster, as
benchmarks/convolutions.py measured. ReLU and LeakyReLU are written so that they have no second
derivative. It is zero, but TensorFlow's gradients of these ops multiply by it, so a gradient
penalty would pass through them twice, and XLA does not simplify that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfgan2.kernels import patches, winograd
from tfgan2.nn.equalized import EqualizedConv2D
from tfgan2.nn.style import ModulatedConv2D

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel

MOST_PIXELS = 64
"""Output pixels in a batch up to which patches are faster than Winograd's filtering."""
FEWEST_FILTERS = 16
"""With fewer filters, gathering the patches takes longer than it saves."""


def fastest_form(
    kernel: Sequence[int], images: Sequence[int | None], stride: int, dilation: int = 1
) -> ModuleType | None:
    """Returns `patches`, `winograd`, or None where TensorFlow's own convolution is fastest.

    `kernel` is the shape (height, width, channels, filters), `images` that of the input, or of the
    output of a transposed convolution, (B, H, W, ...).
    """
    batch, height, width = images[:3]
    if height is None or width is None:
        return None
    *size, channels, filters = kernel
    outputs = (-(-height // stride), -(-width // stride))
    few = (batch or 1) * outputs[0] * outputs[1] <= MOST_PIXELS
    by_patches = patches if filters >= FEWEST_FILTERS else None
    if max(size) > 1 and (few or dilation >= max(height, width)) and by_patches:
        return patches
    if dilation > 1:
        return None
    if (*size, stride) == (4, 4, 2):
        return winograd
    if (*size, stride) == (3, 3, 1) and min(channels, filters) >= winograd.FEWEST_CHANNELS[1]:
        return winograd
    # XLA computes an image that is smaller than the kernel pixel by pixel.
    return by_patches if min(outputs) < max(size) else None


class _Conv2D(keras.layers.Conv2D):
    def convolution_op(self, inputs: tf.Tensor, kernel: keras.Variable) -> tf.Tensor:
        stride, dilation = self.strides[0], self.dilation_rate[0]
        form = fastest_form(kernel.shape, inputs.shape, stride, dilation)
        if form is None:
            return super().convolution_op(inputs, kernel)
        options = {"dilation": dilation} if dilation > 1 else {}
        return form.conv2d(inputs, tf.convert_to_tensor(kernel), stride, **options)


class _Conv2DTranspose(keras.layers.Conv2DTranspose):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        stride = self.strides[0]
        form = fastest_form(self.kernel.shape, self.compute_output_shape(inputs.shape), stride)
        if form is None:
            return super().call(inputs)
        outputs = form.conv2d_transpose(inputs, tf.convert_to_tensor(self.kernel), stride)
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


class _EqualizedConv2D(EqualizedConv2D, _Conv2D):
    def strided(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if min(kernel.shape[2:]) < winograd.FEWEST_CHANNELS[2] or kernel.shape[0] != 3:
            return super().strided(inputs, kernel)
        # A 4x4 kernel with zeros, padded to "same": a row and a column more.
        outputs = winograd.conv2d(_extended(inputs), _as_4x4(kernel), 2)
        return outputs[:, :-1, :-1]


class _ModulatedConv2D(ModulatedConv2D, _EqualizedConv2D):
    def transposed(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if kernel.shape[0] != 3:
            return super().transposed(inputs, kernel)
        kernel = _as_4x4(tf.transpose(kernel, (0, 1, 3, 2)))
        outputs = winograd.conv2d_transpose(_extended(inputs), kernel, 2)
        return outputs[:, :-1, :-1]


def _extended(images: tf.Tensor) -> tf.Tensor:
    """Images with a row and a column of zeros at the end."""
    return tf.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))


def _as_4x4(kernel: tf.Tensor) -> tf.Tensor:
    """A 3x3 kernel with a row and a column of zeros at the beginning."""
    return tf.pad(kernel, ((1, 0), (1, 0), (0, 0), (0, 0)))


class _ReLU(keras.layers.ReLU):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        # In this order, NaN stays NaN, and training notices it.
        return tf.where(inputs <= 0.0, tf.zeros_like(inputs), inputs)


class _LeakyReLU(keras.layers.LeakyReLU):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.where(inputs > 0.0, inputs, self.negative_slope * inputs)


_REWRITTEN: dict[type, type] = {
    keras.layers.Conv2D: _Conv2D,
    keras.layers.Conv2DTranspose: _Conv2DTranspose,
    EqualizedConv2D: _EqualizedConv2D,
    ModulatedConv2D: _ModulatedConv2D,
    keras.layers.ReLU: _ReLU,
    keras.layers.LeakyReLU: _LeakyReLU,
}


def compiled_update(
    model: GenerativeModel, *, xla: bool = True, fast_convolutions: bool = True
) -> Callable[[Any], dict[str, tf.Tensor]]:
    """Compiles `model.train_step` for one device, in the fastest form of the model's phase.

    With `xla`, if the model supports it, layers are rewritten for XLA, convolutions too if
    `fast_convolutions`. Returns a function from a batch to the step's metrics, as `train_step`; if
    the model `is_divided`, it does what the phase says whenever it is called.
    """
    networks = [*model.networks().values(), *model.frozen_networks()]
    xla = xla and model.supports_jit

    def compiled(function: Callable[..., Any]) -> Any:
        def traced(*parts: Any) -> Any:
            # A GPU's own convolutions are faster.
            on_cpu = not tf.config.list_logical_devices("GPU")
            with rewritten(networks, convolutions=fast_convolutions and on_cpu):
                return function(*parts)

        return tf.function(traced, jit_compile=True, autograph=False)

    step = model.compiled_step(compiled) if xla else model.train_step
    if not model.is_divided:
        return step if xla and model.accumulate == 1 else tf.function(step, autograph=False)
    by_phase: dict[str, Any] = {}

    def update(batch: Any) -> dict[str, tf.Tensor]:
        if model.phase not in by_phase:
            by_phase[model.phase] = tf.function(step, autograph=False)
        return by_phase[model.phase](batch)

    return update


@contextlib.contextmanager
def rewritten(networks: Iterable[keras.Model], *, convolutions: bool) -> Iterator[None]:
    """Rewrites the layers of networks within the block, convolutions only if asked."""
    before = {
        layer: type(layer)
        for network in networks
        for layer in network._flatten_layers()
        if type(layer) in _REWRITTEN and _can_rewrite(layer, convolutions)
    }
    try:
        for layer, kind in before.items():
            layer.__class__ = _REWRITTEN[kind]
        yield
    finally:
        for layer, kind in before.items():
            layer.__class__ = kind


def _can_rewrite(layer: keras.layers.Layer, convolutions: bool) -> bool:
    if isinstance(layer, keras.layers.LeakyReLU):
        return True
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    return (
        convolutions
        and layer.padding == "same"
        and layer.strides[0] == layer.strides[1]
        and layer.dilation_rate[0] == layer.dilation_rate[1]
        and getattr(layer, "output_padding", None) is None
        and getattr(layer, "groups", 1) == 1
        and (layer.dilation_rate[0] == 1 or type(layer) is keras.layers.Conv2D)
        and getattr(layer, "depth_multiplier", 1) == 1
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
    )
