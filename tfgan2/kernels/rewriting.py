"""Rewrites layers, while a step is traced, into forms that XLA runs faster; weights are unchanged.

On a CPU, convolutions take the form of `winograd` or `patches` where benchmarks/convolutions.py
measured it to be faster. ReLU and LeakyReLU are written so that they have no second derivative. It
is zero, but TensorFlow's gradients of these ops multiply by it, so a gradient penalty would pass
through them twice, and XLA does not simplify that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfgan2.kernels import patches, winograd

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
    keras.layers.ReLU: _ReLU,
    keras.layers.LeakyReLU: _LeakyReLU,
}


def compiled_update(
    model: GenerativeModel, *, xla: bool = True, fast_convolutions: bool = True
) -> Callable[[Any], dict[str, tf.Tensor]]:
    """Compiles `model.train_step` for one device, in the fastest form of the model's phase.

    With `xla`, if the model supports it, layers are rewritten for XLA, convolutions too if
    `fast_convolutions`. Returns a function from a batch to the step's metrics, as `train_step`.
    """
    if not (xla and model.supports_jit):
        return tf.function(model.train_step, autograph=False)

    def compiled(function: Callable[..., Any]) -> Any:
        def traced(*parts: Any) -> Any:
            # A GPU's own convolutions are faster.
            on_cpu = not tf.config.list_logical_devices("GPU")
            networks = model.networks().values()
            with rewritten(networks, convolutions=fast_convolutions and on_cpu):
                return function(*parts)

        return tf.function(traced, jit_compile=True, autograph=False)

    step = model.compiled_step(compiled)
    several = model.accumulate > 1 or model.is_divided
    return tf.function(step, autograph=False) if several else step


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
        and (layer.dilation_rate[0] == 1 or isinstance(layer, keras.layers.Conv2D))
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
    )
