"""What is exported: a network in float32, in inference mode, with named tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.export import ExportError
from tfgan2.images import from_uint8, is_points, to_uint8
from tfgan2.inputs.latents import draw_latents
from tfgan2.inputs.words import FIRST

# The inputs that the runtime can feed: name -> (shape without the batch in words, rank, dtype).
INPUTS = {
    "z": ("(latent_dim,)", 1, "float32"),
    "label": ("()", 0, "int32"),
    "text": ("(dim,)", 1, "float32"),
    "input": ("(height, width, channels)", 3, "float32"),
    "mask": ("(height, width, 1)", 3, "float32"),
    "words": ("(length,)", 1, "int32"),
}
TOGETHER = (("z",), ("label", "z"), ("text", "z"), ("input",), ("input", "mask"), ("words",))
EXAMPLES = {"input": 4}
"""How many samples verify a network: of those that take images fewer, they are larger."""

_REDUCED = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16")


@dataclass(frozen=True)
class Subject:
    """A network and what one needs to know to feed it.

    Attributes:
        generator: computes in float32.
        latent_distribution: "normal" or "uniform".
        class_names: empty for a generator without labels.
        facts: what its metadata tells besides.
        rounds: whether the files make pictures, uint8 in 0…255, of the images.
        examples: real inputs by their names, arrays of equal length.
    """

    generator: keras.Model
    latent_distribution: str
    class_names: tuple[str, ...]
    facts: Mapping[str, Any]
    rounds: bool = False
    examples: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def input_names(self) -> list[str]:
        return [item.name for item in self.generator.inputs]

    @property
    def output(self) -> str:
        """The name of the output."""
        return "text" if "words" in self.input_names else "image"

    @property
    def latent_dim(self) -> int:
        """Length of the latents, 0 where it takes none."""
        return next((item.shape[1] for item in self.generator.inputs if item.name == "z"), 0)

    @property
    def free_size(self) -> bool:
        """Whether it takes images of any size."""
        return any(None in item.shape[1:] for item in self.generator.inputs)

    def describe(self, batch: int | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Name, dtype, shape and meaning of the inputs and outputs, as the metadata holds them."""
        meanings: dict[str, dict[str, Any]] = {
            "z": {"distribution": self.latent_distribution},
            "label": {"range": [0, len(self.class_names) - 1]},
            "text": {"meaning": "what text_encoder makes of a sentence"},
            "input": {"range": [-1, 1], "layout": "NHWC"},
            "mask": {"range": [0, 1], "layout": "NHWC", "meaning": "1 where it is to be filled"},
            "words": {"range": [0, len(self.facts.get("vocabulary", ())) + FIRST - 1]},
        }
        inputs = [
            {
                "name": item.name,
                "dtype": item.dtype,
                "shape": [batch, *item.shape[1:]],
                **meanings[item.name],
            }
            for item in self.generator.inputs
        ]
        made = self.generator.outputs[0].shape
        output: dict[str, Any] = {
            "name": self.output,
            "dtype": "float32",
            "shape": [batch, *made[1:]],
        }
        if self.output == "image":
            output |= {"range": None if is_points(made) else [-1, 1], "layout": "NHWC"}
        if self.rounds:
            output |= {"dtype": "uint8", "range": [0, 255]}
        return inputs, [output]

    def draw(
        self, count: int, seed: int, size: tuple[int, int] | None = None, *, verify: bool = False
    ) -> dict[str, np.ndarray]:
        """Inputs like those of training: latents, all classes in turn, examples where there are.

        Images without examples are made up.

        Args:
            count: how many.
            seed: of what is drawn.
            size: height and width of images; default: those of training. Of another size images
                are always made up.
            verify: whether they verify; they take other examples than those that calibrate.
        """
        rng = np.random.default_rng(seed)
        values: dict[str, np.ndarray] = {}
        examples = {} if size else self._some_examples(rng, count, verify)
        for item in self.generator.inputs:
            shape = (count, *item.shape[1:])
            if item.name in examples:
                values[item.name] = examples[item.name]
            elif item.name == "z":
                values["z"] = draw_latents(
                    count, self.latent_dim, seed=seed, distribution=self.latent_distribution
                )
            elif item.name == "label":
                values["label"] = (np.arange(count) % len(self.class_names)).astype(np.int32)
            elif item.name == "text":
                values["text"] = rng.standard_normal(shape, dtype=np.float32)
            elif item.name == "words":
                known = len(self.facts["vocabulary"]) + FIRST
                values["words"] = rng.integers(0, known, shape, dtype=np.int32)
                values["words"][:, 0] = FIRST  # a caption has a word
            else:
                edges = size or self._edges(item.shape[1:3])
                values[item.name] = _images(rng, (count, *edges, item.shape[-1]), item.name)
        return values

    def _some_examples(
        self, rng: np.random.Generator, count: int, verify: bool
    ) -> dict[str, np.ndarray]:
        """Every other example, in some order, as often as needed."""
        if not self.examples:
            return {}
        number = len(next(iter(self.examples.values())))
        rows = np.arange(number)[int(verify) :: 2] if number > 1 else np.arange(number)
        rows = np.resize(rng.permutation(rows), count)
        return {name: array[rows] for name, array in self.examples.items()}

    def _edges(self, given: tuple[int | None, int | None]) -> tuple[int, int]:
        return tuple(self.facts["size"]) if None in given else given

    def cases(self, count: int, seed: int) -> list[dict[str, np.ndarray]]:
        """Inputs to verify a file by: where it takes any size, of two sizes."""
        count = min(count, EXAMPLES.get(self.input_names[0], count))
        found = [self.draw(count, seed, verify=True)]
        if self.free_size:
            height, width = self.facts["size"]
            more = max(2, self.facts.get("multiple", 1))
            found.append(self.draw(1, seed, (height + more, width + 2 * more)))
        return found

    def signature(self, batch: int | None) -> list[tf.TensorSpec]:
        """The inputs as TensorFlow wants them described."""
        return [
            tf.TensorSpec((batch, *item.shape[1:]), item.dtype, item.name)
            for item in self.generator.inputs
        ]

    def function(self) -> Callable[..., dict[str, tf.Tensor]]:
        """What the files compute, as a function of the inputs in order, in inference mode.

        The output is a dict since both the SavedModel's and the ONNX file's output take their name
        from its key.
        """

        def serve(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            made = self._call(inputs)
            return {self.output: _rounded(made) if self.rounds else made}

        return serve

    def _call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        return self.generator(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    def reference(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """What Keras makes: float32 images of shape (N, H, W, C), or sentences of shape (N, dim).

        On the CPU: a GPU may compute in TensorFloat-32, whose 10 bits of mantissa are less than
        what float32 files are verified to.
        """
        with tf.device("/CPU:0"):
            fed = [tf.constant(inputs[item.name]) for item in self.generator.inputs]
            return self._call(fed).numpy()

    def expected(self, reference: np.ndarray) -> np.ndarray:
        """What a file is to make where Keras makes `reference`, in [-1, 1] again if rounded."""
        return from_uint8(to_uint8(reference)) if self.rounds else reference

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As the backends of `tfgan2.runtime`: arrays by name to arrays by name."""
        return {self.output: self.reference(dict(inputs))}

    def weights_sha256(self) -> str:
        """Of all weights in their order, with their shapes."""
        digest = hashlib.sha256()
        for weight in self.generator.get_weights():
            digest.update(str(weight.shape).encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
        return digest.hexdigest()


PICTURE_SCOPE = "to_uint8"
"""Part of the names of the operators that round; the quantizer leaves these alone."""


def _rounded(images: tf.Tensor) -> tf.Tensor:
    """As `tfgan2.images.to_uint8`, to the last bit: both round halves to even."""
    with tf.name_scope(PICTURE_SCOPE):
        levels = tf.round((images + 1.0) * 127.5)
        return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)


def _images(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Smooth images with some noise, or masks of one box each."""
    count, height, width, channels = shape
    if name == "mask":
        masks = np.zeros(shape, np.float32)
        for mask in masks:
            top, left = rng.integers(0, max(1, height // 2)), rng.integers(0, max(1, width // 2))
            mask[top : top + (height + 1) // 2, left : left + (width + 1) // 2] = 1.0
        return masks
    coarse = rng.uniform(-1, 1, (count, -(-height // 8), -(-width // 8), channels))
    smooth = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
    return np.clip(smooth + 0.1 * rng.standard_normal(shape), -1, 1).astype(np.float32)


def make_subject(
    generator: keras.Model,
    latent_distribution: str,
    class_names: Sequence[str],
    facts: Mapping[str, Any] | None = None,
    *,
    rounds: bool = False,
    examples: Mapping[str, np.ndarray] | None = None,
) -> Subject:
    """Checks a network's inputs and output, and rebuilds it in float32 where needed.

    Args:
        generator: the network.
        latent_distribution: "normal" or "uniform".
        class_names: of its labels.
        facts: what its metadata tells besides.
        rounds: whether images are to become uint8; a text encoder makes none and stays as it is.
        examples: real inputs by their names.

    Raises:
        UserError: inputs or outputs that no format describes, class names that do not fit them, or
            points, which cannot be rounded.
    """
    if not getattr(generator, "inputs", None):
        raise UserError("only a generator built from keras.Input can be exported")
    names = [item.name for item in generator.inputs]
    if tuple(sorted(names)) not in TOGETHER:
        allowed = "; ".join(" and ".join(reversed(some)) for some in TOGETHER)
        raise UserError(f"a generator's inputs must be {allowed}; not {', '.join(names)}")
    for item in generator.inputs:
        expected, rank, dtype = INPUTS[item.name]
        # A mixed policy makes no float16 input, a float16 policy does: the rebuild mends it.
        wrong_dtype = item.dtype != dtype and not (dtype == "float32" and item.dtype in _REDUCED)
        fixed = item.shape[1:] if rank < 3 else item.shape[3:]
        if len(item.shape) != rank + 1 or None in fixed or wrong_dtype:
            raise UserError(
                f"the input {item.name} must be {dtype} of shape {expected}, "
                f"not {item.dtype} of shape {tuple(item.shape[1:])}"
            )
    if "label" in names and not class_names:
        raise UserError("a generator with labels needs the names of its classes")
    if "label" not in names and class_names:
        class_names = ()  # the data had classes, the generator does not know them
    rank = 1 if "words" in names else 3
    if len(generator.outputs) != 1 or len(generator.outputs[0].shape) != rank + 1:
        raise UserError("a generator must have one output of shape (height, width, channels)")
    free = any(None in item.shape[1:] for item in generator.inputs)
    if None in generator.outputs[0].shape[1:] and not free:
        raise UserError("a generator's output must have a fixed shape")
    if rounds and is_points(generator.outputs[0].shape):
        raise UserError("points are no pictures: leave the output float32")
    return Subject(
        in_float32(generator),
        latent_distribution,
        tuple(class_names),
        dict(facts or {}),
        rounds=rounds and "words" not in names,
        examples=dict(examples or {}),
    )


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
