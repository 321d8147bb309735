"""What the networks compute, in the form that is fastest under XLA; layers and weights stay theirs.

Convolutions on the CPU go by `winograd` or `patches`. Rectifiers are written so that gradients of
gradients, as in gradient penalties, do not pass through them twice: their second derivative is
zero, but the gradients that TensorFlow has for their own operators multiply by it, and XLA does not
see through that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfgan2.kernels import patches, winograd

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel


def _form(
    kernel: tuple[int, ...], images: tuple[int | None, ...], stride: int, dilation: int = 1
) -> ModuleType | None:
    """The module that has the fastest form of a convolution; None: TensorFlow."""
    if patches.pays(kernel, images, stride, dilation):
        return patches
    if dilation > 1:
        return None
    if winograd.pays(kernel, stride, images):
        return winograd
    return patches if patches.rescues(kernel, images, stride) else None


class _Conv2D(keras.layers.Conv2D):
    def convolution_op(self, inputs: tf.Tensor, kernel: keras.Variable) -> tf.Tensor:
        stride, dilation = self.strides[0], self.dilation_rate[0]
        form = _form(kernel.shape, inputs.shape, stride, dilation)
        if form is None:
            return super().convolution_op(inputs, kernel)
        more = {"dilation": dilation} if dilation > 1 else {}
        return form.conv2d(inputs, tf.convert_to_tensor(kernel), stride, **more)


class _Conv2DTranspose(keras.layers.Conv2DTranspose):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        stride = self.strides[0]
        form = _form(self.kernel.shape, self.compute_output_shape(inputs.shape), stride)
        if form is None:
            return super().call(inputs)
        outputs = form.conv2d_transpose(inputs, tf.convert_to_tensor(self.kernel), stride)
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


class _ReLU(keras.layers.ReLU):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        # Asked so that NaN stays NaN: training must notice it.
        return tf.where(inputs <= 0.0, tf.zeros_like(inputs), inputs)


class _LeakyReLU(keras.layers.LeakyReLU):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.where(inputs > 0.0, inputs, self.negative_slope * inputs)


_FORMS: dict[type, type] = {
    keras.layers.Conv2D: _Conv2D,
    keras.layers.Conv2DTranspose: _Conv2DTranspose,
    keras.layers.ReLU: _ReLU,
    keras.layers.LeakyReLU: _LeakyReLU,
}


def compiled_update(model: GenerativeModel, *, xla: bool = True, winograd: bool = True) -> Any:
    """`model.train_step` as a compiled function, for one device.

    Args:
        model: compiled, in the sense of Keras; in the phase that the function is to train.
        xla: compile with XLA, and rewrite what it computes.
        winograd: whether convolutions are rewritten, too, where that is faster.
    """
    if not xla:
        return tf.function(model.train_step, autograph=False)

    def compiled(function: Callable[..., Any]) -> Any:
        def traced(*parts: Any) -> Any:
            # A GPU's own convolutions are faster.
            on_cpu = not tf.config.list_logical_devices("GPU")
            with rewritten(model.networks().values(), convolutions=winograd and on_cpu):
                return function(*parts)

        return tf.function(traced, jit_compile=True, autograph=False)

    if not model.is_divided:
        return compiled(model.train_step)
    # What is done several times is compiled once.
    first_update, last_update = compiled(model.first_update), compiled(model.last_update)

    def update(batch: Any) -> dict[str, tf.Tensor]:
        *first, last = model.divided(batch)
        for index, part in enumerate(first):
            first_update(part, tf.constant(index))
        return last_update(last)

    return tf.function(update, autograph=False)


@contextlib.contextmanager
def rewritten(networks: Iterable[keras.Model], *, convolutions: bool) -> Iterator[None]:
    """Within the block, what is traced of the networks is in the fast form.

    Args:
        networks: their layers are changed, and changed back.
        convolutions: whether they are to go by Winograd's filtering and by patches; other rounding,
            otherwise the same results.
    """
    before = {
        layer: type(layer)
        for network in networks
        for layer in network._flatten_layers()
        if type(layer) in _FORMS and _fits(layer, convolutions)
    }
    try:
        for layer, kind in before.items():
            layer.__class__ = _FORMS[kind]
        yield
    finally:
        for layer, kind in before.items():
            layer.__class__ = kind


def _fits(layer: keras.layers.Layer, convolutions: bool) -> bool:
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
