"""What is exported: a generator in float32, in inference mode, with named tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.export import ExportError
from tfgan2.images import is_points
from tfgan2.latents import draw_latents

OUTPUT = "image"
# The inputs that the runtime can feed: name -> (rank without the batch, dtype).
INPUTS = {"z": (1, "float32"), "label": (0, "int32")}

_REDUCED = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16")


@dataclass(frozen=True)
class Subject:
    """A generator and what one needs to know to feed it.

    Attributes:
        generator: computes in float32.
        latent_distribution: "normal" or "uniform".
        class_names: empty for an unconditional generator.
    """

    generator: keras.Model
    latent_distribution: str
    class_names: tuple[str, ...]

    @property
    def latent_dim(self) -> int:
        return next(item.shape[1] for item in self.generator.inputs if item.name == "z")

    def describe(self, batch: int | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Name, dtype, shape and meaning of the inputs and outputs, as the metadata holds them."""
        inputs: list[dict[str, Any]] = []
        for item in self.generator.inputs:
            shape = [batch, *item.shape[1:]]
            entry: dict[str, Any] = {"name": item.name, "dtype": item.dtype, "shape": shape}
            if item.name == "z":
                entry["distribution"] = self.latent_distribution
            else:
                entry["range"] = [0, len(self.class_names) - 1]
            inputs.append(entry)
        output = {
            "name": OUTPUT,
            "dtype": "float32",
            "shape": [batch, *self.generator.outputs[0].shape[1:]],
            "range": None if is_points(self.generator.outputs[0].shape) else [-1, 1],
            "layout": "NHWC",
        }
        return inputs, [output]

    def draw(self, count: int, seed: int) -> dict[str, np.ndarray]:
        """Inputs like those of training: latents, and all classes in turn."""
        values = {
            "z": draw_latents(
                count, self.latent_dim, seed=seed, distribution=self.latent_distribution
            )
        }
        if self.class_names:
            values["label"] = (np.arange(count) % len(self.class_names)).astype(np.int32)
        return values

    def signature(self, batch: int | None) -> list[tf.TensorSpec]:
        """The inputs as TensorFlow wants them described."""
        return [
            tf.TensorSpec((batch, *item.shape[1:]), item.dtype, item.name)
            for item in self.generator.inputs
        ]

    def function(self) -> Callable[..., dict[str, tf.Tensor]]:
        """The generator as a function of its inputs in order, in inference mode.

        The output is a dict since both the SavedModel's and the ONNX file's output take their name
        from its key.
        """
        generator = self.generator

        def serve(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            fed = inputs[0] if len(inputs) == 1 else list(inputs)
            return {OUTPUT: generator(fed, training=False)}

        return serve

    def reference(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The images that Keras makes: float32, shape (N, H, W, C).

        On the CPU: a GPU may compute in TensorFloat-32, whose 10 bits of mantissa are less than
        what float32 files are verified to.
        """
        with tf.device("/CPU:0"):
            fed = [tf.constant(inputs[item.name]) for item in self.generator.inputs]
            return self.function()(*fed)[OUTPUT].numpy()

    def weights_sha256(self) -> str:
        """Of all weights in their order, with their shapes."""
        digest = hashlib.sha256()
        for weight in self.generator.get_weights():
            digest.update(str(weight.shape).encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
        return digest.hexdigest()


def make_subject(
    generator: keras.Model, latent_distribution: str, class_names: Sequence[str]
) -> Subject:
    """Checks a generator's inputs and output, and rebuilds it in float32 where needed.

    Raises:
        UserError: inputs or outputs that no format describes, or class names that do not fit them.
    """
    if not getattr(generator, "inputs", None):
        raise UserError("only a generator built from keras.Input can be exported")
    names = [item.name for item in generator.inputs]
    if sorted(names) not in (["z"], ["label", "z"]):
        raise UserError(f"a generator's inputs must be z, or z and label, not {', '.join(names)}")
    for item in generator.inputs:
        rank, dtype = INPUTS[item.name]
        # A mixed policy makes no float16 input, a float16 policy does: the rebuild mends it.
        wrong_dtype = item.dtype != dtype and not (dtype == "float32" and item.dtype in _REDUCED)
        if len(item.shape) != rank + 1 or None in item.shape[1:] or wrong_dtype:
            expected = "(latent_dim,)" if item.name == "z" else "()"
            raise UserError(
                f"the input {item.name} must be {dtype} of shape {expected}, "
                f"not {item.dtype} of shape {tuple(item.shape[1:])}"
            )
    if "label" in names and not class_names:
        raise UserError("a generator with labels needs the names of its classes")
    if "label" not in names and class_names:
        class_names = ()  # the data had classes, the generator does not know them
    if len(generator.outputs) != 1 or len(generator.outputs[0].shape) != 4:
        raise UserError("a generator must have one output of shape (height, width, channels)")
    if None in generator.outputs[0].shape[1:]:
        raise UserError("a generator's output must have a fixed shape")
    return Subject(in_float32(generator), latent_distribution, tuple(class_names))


def in_float32(generator: keras.Model) -> keras.Model:
    """The same generator under the float32 policy: itself where it is, else a copy.

    A graph traced under a mixed policy converts to TFLite without an error and cannot be run.
    """
    layers = generator._flatten_layers(include_self=True, recursive=True)
    if all(layer.dtype_policy.name not in _REDUCED for layer in layers):
        return generator

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.Model):
            return _clone_model(layer, clone)
        return type(layer).from_config(_without_reduced(layer.get_config()))

    copy = _clone_model(generator, clone)
    for new, old in zip(copy.weights, generator.weights, strict=True):
        # Not set_weights: bfloat16 arrays are no dtype that NumPy itself knows.
        new.assign(keras.ops.cast(old.value, new.dtype))
    return copy


def _clone_model(
    model: keras.Model, clone: Callable[[keras.layers.Layer], keras.layers.Layer]
) -> keras.Model:
    # Keras builds Functional and Sequential copies under the global policy, whatever the layers'
    # own; the inputs of a copy take the dtype of the model's.
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        inputs = [
            keras.Input(
                batch_shape=item.shape,
                dtype="float32" if item.dtype in _REDUCED else item.dtype,
                name=item.name,
            )
            for item in model.inputs
        ]
        single = len(inputs) == 1
        return keras.models.clone_model(
            model, input_tensors=inputs[0] if single else inputs, clone_function=clone
        )
    finally:
        keras.config.set_dtype_policy(before)


def _without_reduced(config: Any) -> Any:
    """A layer's configuration with every reduced dtype policy in it replaced by float32.

    Wrappers such as SpectralNormalization hold the configuration of another layer, hence the
    recursion.
    """
    if isinstance(config, dict):
        return {
            key: "float32" if key == "dtype" and _is_reduced(value) else _without_reduced(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_without_reduced(item) for item in config)
    return config


def _is_reduced(dtype: Any) -> bool:
    if isinstance(dtype, dict):  # a serialised DTypePolicy
        dtype = dtype.get("config", {}).get("name")
    return getattr(dtype, "name", dtype) in _REDUCED


def check_deterministic(subject: Subject, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """The images that Keras makes of these inputs.

    Raises:
        ExportError: they are not finite, or differ from call to call.
    """
    first, second = subject.reference(inputs), subject.reference(inputs)
    if not np.isfinite(first).all():
        raise ExportError(
            "the generator itself makes images that are not finite: nothing to export"
        )
    if not np.array_equal(first, second):
        # CPU kernels may sum in another order from call to call; random numbers move far more.
        if np.max(np.abs(first - second)) < 1e-5:
            return first
        raise ExportError(
            "the generator draws random numbers inside, so no file can be verified: "
            "make its noise an input"
        )
    return first
