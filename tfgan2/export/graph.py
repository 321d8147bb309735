"""Checks a specification and computes with its network, in TensorFlow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.export.spec import VERIFIED, ExportError, ExportSpec
from tfgan2.images import from_uint8, is_points, to_uint8
from tfgan2.metrics import psnr
from tfgan2.runtime.backends import Inputs, Model, in_sizes, samples_at_once

# The inputs that the runtime can feed: name -> (shape without the batch in words, rank, dtype).
INPUTS = {
    "z": ("(latent_dim,)", 1, "float32"),
    "label": ("()", 0, "int32"),
    "text": ("(dim,)", 1, "float32"),
    "truncation": ("()", 0, "float32"),
    "input": ("(height, width, channels)", 3, "float32"),
    "mask": ("(height, width, 1)", 3, "float32"),
    "words": ("(length,)", 1, "int32"),
}
COMBINATIONS = (
    *(("z",), ("z", "label"), ("z", "text"), ("z", "truncation"), ("z", "label", "truncation")),
    *(("input",), ("input", "mask"), ("words",)),
)
ROUNDING_SCOPE = "to_uint8"
"""Part of the names of the operators that round; the quantizer leaves these in float."""

_REDUCED = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16")


def checked(spec: ExportSpec) -> ExportSpec:
    """Returns the specification with its network in float32; a UserError if it fits no format.

    Class names of a network without labels are dropped, and so is the rounding of a text encoder.
    """
    network = spec.network
    if not getattr(network, "inputs", None):
        raise UserError("only a generator built from keras.Input can be exported")
    names = spec.input_names
    if sorted(names) not in map(sorted, COMBINATIONS):
        allowed = "; ".join(map(" and ".join, COMBINATIONS))
        raise UserError(f"a generator's inputs must be {allowed}; not {', '.join(names)}")
    for item in network.inputs:
        shape, rank, dtype = INPUTS[item.name]
        # A network under a float16 policy has float16 inputs; the copy in float32 has not.
        wrong_dtype = item.dtype != dtype and not (dtype == "float32" and item.dtype in _REDUCED)
        fixed = item.shape[1:] if rank < 3 else item.shape[3:]
        if len(item.shape) != rank + 1 or None in fixed or wrong_dtype:
            raise UserError(
                f"the input {item.name} must be {dtype} of shape {shape}, "
                f"not {item.dtype} of shape {tuple(item.shape[1:])}"
            )
    if "label" in names and not spec.class_names:
        raise UserError("a generator with labels needs the names of its classes")
    output, *others = (item.shape for item in network.outputs)
    if others or len(output) != (2 if "words" in names else 4):
        raise UserError("a generator must have one output of shape (height, width, channels)")
    if None in output[1:] and not spec.has_free_size:
        raise UserError("a generator's output must have a fixed shape")
    if spec.uint8 and is_points(output):
        raise UserError("points have no uint8 form: leave the output float32")
    class_names = tuple(spec.class_names) if "label" in names else ()
    rounded = spec.uint8 and "words" not in names
    return replace(spec, network=in_float32(network), class_names=class_names, uint8=rounded)


def in_float32(network: keras.Model) -> keras.Model:
    """Returns the same network under the float32 policy; itself if it has no other.

    A graph traced under a mixed policy converts to TFLite without an error and cannot be run.
    """
    layers = network._flatten_layers(include_self=True, recursive=True)
    if all(layer.dtype_policy.name not in _REDUCED for layer in layers):
        return network
    classes = {type(layer).__name__: type(layer) for layer in network._flatten_layers()}
    # Keras builds models under the global policy, whatever that of their layers.
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        with keras.saving.custom_object_scope(classes):
            config = json.loads(network.to_json(), object_hook=_without_reduced)
            copy = keras.saving.deserialize_keras_object(config)
    finally:
        keras.config.set_dtype_policy(before)
    for new, old in zip(copy.weights, network.weights, strict=True):
        # Not set_weights: NumPy itself does not know bfloat16.
        new.assign(keras.ops.cast(old.value, new.dtype))
    return copy


def _without_reduced(item: dict[str, Any]) -> dict[str, Any]:
    """Replaces a reduced dtype, or policy, in one object of a configuration."""
    if item.get("dtype") in _REDUCED:
        item["dtype"] = "float32"
    if item.get("class_name") == "DTypePolicy" and item["config"]["name"] in _REDUCED:
        item["config"]["name"] = "float32"
    return item


def serving_function(
    spec: ExportSpec, batch: int | None
) -> tf.types.experimental.PolymorphicFunction:
    """Returns what the files compute: inputs in order to the output by its name."""

    def serve(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        output = _call(spec, inputs)
        return {spec.output_name: round_to_uint8(output) if spec.uint8 else output}

    signature = [
        tf.TensorSpec((batch, *item.shape[1:]), item.dtype, item.name)
        for item in spec.network.inputs
    ]
    return tf.function(serve, input_signature=signature, autograph=False)


def round_to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Computes `tfgan2.images.to_uint8` to the last bit: both round halves to even."""
    with tf.name_scope(ROUNDING_SCOPE):
        levels = tf.round((images + 1.0) * 127.5)
        return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)


def _call(spec: ExportSpec, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
    return spec.network(inputs[0] if len(inputs) == 1 else list(inputs), training=False)


def reference(spec: ExportSpec, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the output of Keras, float32, shape (N, H, W, C) or (N, dim).

    Computed on the CPU: the TensorFloat-32 of GPUs is less precise than float32 files must be. In
    parts, since Keras keeps the outputs of all layers until a call has ended.
    """

    def call(part: Inputs) -> np.ndarray:
        with tf.device("/CPU:0"):
            return _call(spec, [tf.constant(part[name]) for name in spec.input_names]).numpy()

    shape, scale = spec.network.outputs[0].shape, spec.facts.get("scale", 1)
    most = samples_at_once(VERIFIED["latents"], shape, inputs, scale)
    return in_sizes(call, inputs, range(1, most + 1))


def keras_model(spec: ExportSpec) -> Model:
    """Returns the network, to be run like an exported file."""
    metadata = {**spec.facts, **spec.describe(None), "batch": None}
    return Model(lambda inputs: {spec.output_name: reference(spec, inputs)}, metadata)


def expected(spec: ExportSpec, output: np.ndarray) -> np.ndarray:
    """Returns what a file should give for an output of Keras: rounded, and in [-1, 1] again."""
    return from_uint8(to_uint8(output)) if spec.uint8 else output


def verified_output(spec: ExportSpec, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns what a file should give; an ExportError if Keras is not finite or not repeatable."""
    first, second = reference(spec, inputs), reference(spec, inputs)
    if not np.isfinite(first).all():
        raise ExportError(
            "the generator's own images are not finite: export a checkpoint from before it diverged"
        )
    # CPU kernels may sum in another order from call to call; random numbers differ far more.
    if np.max(np.abs(first - second)) >= 1e-5:
        raise ExportError(
            "the generator draws random numbers inside, so no file can be verified: "
            "make its noise an input"
        )
    return expected(spec, first)


def weights_sha256(spec: ExportSpec) -> str:
    """Returns the sha256 of all weights in order, with their shapes."""
    digest = hashlib.sha256()
    for weight in spec.network.get_weights():
        digest.update(str(weight.shape).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def decibels(values: np.ndarray, reference: np.ndarray, shape: Sequence[int]) -> float:
    """Returns the signal-to-noise ratio of outputs of this shape, which may be flattened here."""
    if is_values(shape):
        return psnr(values, reference, float(np.ptp(reference)) or 1.0)
    return psnr(to_uint8(values), to_uint8(reference), 255.0)


def is_values(shape: Sequence[int]) -> bool:
    """True for sentences and points, which `to_uint8` would clip."""
    return len(shape) == 2 or is_points(shape)
