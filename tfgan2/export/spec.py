"""Describes a network to export, and draws inputs for it. Imports no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.images import is_points
from tfgan2.inputs.latents import draw_latents
from tfgan2.inputs.truncation import LATENTS, truncated
from tfgan2.inputs.words import FIRST

if TYPE_CHECKING:
    import keras


VERIFIED = {"latents": 64, "images": 4}
"""Samples that verify a network; fewer of one that takes images, since these are larger."""
FEWEST_VERIFIED = 8
"""Latents that verify a network of large images: fewer than 64 above 64x64 pixels."""
CALIBRATED = {"latents": 320, "images": 64}
"""Samples that calibrate int8; an image has many values of each activation."""


class ExportError(UserError):
    """A conversion is impossible, or a file does not compute what Keras computes."""


@dataclass(frozen=True)
class ExportSpec:
    """A network to export.

    Attributes:
        network: a functional Keras model with one output. Its inputs are named as in
            `tfgan2.export.graph.INPUTS`: `z`, perhaps with `label`, `truncation` or `text`;
            `input`, perhaps with `mask`; or `words`.
        resized: builds the same network for another height and width of its images, None for any;
            None for a network that takes no images.
        facts: more fields of the metadata. `truncation` says what a truncation of the latents or
            styles means, see `tfgan2.inputs.truncation`, and which one is the default: {"of",
            "default"}. A network that takes images needs `size` (height and
            width in training), `multiple` (what height and width must be multiples of), `least`
            (the smallest height and width, by default 1) and `scale` (size of the output divided
            by that of the input).
        inputs_of: computes the inputs by name from real samples, the parts of a batch of the
            dataset; None if all inputs can be drawn, as latents and labels can.
        latent_distribution: "normal" or "uniform".
        class_names: names of the labels 0, 1, …; required by a network with labels.
        uint8: round the images to uint8 in 0…255; otherwise they are float32 in [-1, 1]. An export
            sets it from `Options.output`.
        examples: real inputs by name, arrays of equal length. Half of them calibrate, the others
            verify. Inputs without examples are drawn, or synthetic where they are images.
        source: where the examples come from, for the metadata.
    """

    network: keras.Model
    resized: Callable[[int | None, int | None], keras.Model] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    inputs_of: Callable[[tuple[np.ndarray, ...]], dict[str, np.ndarray]] | None = None
    latent_distribution: str = "normal"
    class_names: Sequence[str] = ()
    uint8: bool = False
    examples: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str | None = None

    @property
    def input_names(self) -> list[str]:
        return [item.name for item in self.network.inputs]

    @property
    def output_name(self) -> str:
        """ "text" for a text encoder, else "image"."""
        return "text" if "words" in self.input_names else "image"

    @property
    def kind(self) -> str:
        """ "images" for a network that takes images, else "latents"."""
        return "images" if "input" in self.input_names else "latents"

    @property
    def truncation(self) -> tuple[str, float | None]:
        """What a truncation moves, "" for nothing, and the default."""
        facts = self.facts.get("truncation", {})
        return facts.get("of", ""), facts.get("default")

    @property
    def has_free_size(self) -> bool:
        """True if the network takes images of any size."""
        return any(None in item.shape[1:] for item in self.network.inputs)

    @property
    def calibration(self) -> str:
        """Says what int8 is calibrated on, for example "320 of latents"."""
        synthetic = {"input", "text", "words"} & set(self.input_names)
        source = self.source or ("made-up inputs" if synthetic else "latents")
        return f"{CALIBRATED[self.kind]} of {source}"

    def describe(self, batch: int | None) -> dict[str, list[dict[str, Any]]]:
        """Returns `inputs` and `outputs`: name, dtype, shape and meaning; a batch of None: free."""
        meanings: dict[str, dict[str, Any]] = {
            "z": {"distribution": self.latent_distribution},
            "label": {"range": [0, len(self.class_names) - 1]},
            "text": {"meaning": "output of text_encoder for a sentence"},
            "truncation": {"range": [0, 1], "meaning": "1: none; less: more typical images"},
            "input": {"range": [-1, 1], "layout": "NHWC"},
            "mask": {"range": [0, 1], "layout": "NHWC", "meaning": "1 where to fill"},
            "words": {"range": [0, len(self.facts.get("vocabulary", ())) + FIRST - 1]},
        }
        inputs = [
            {"name": item.name, "dtype": item.dtype, "shape": [batch, *item.shape[1:]]}
            | meanings[item.name]
            for item in self.network.inputs
        ]
        shape = self.network.outputs[0].shape
        output: dict[str, Any] = {"name": self.output_name, "dtype": "float32"}
        output["shape"] = [batch, *shape[1:]]
        if self.output_name == "image":
            output |= {"range": None if is_points(shape) else [-1, 1], "layout": "NHWC"}
        if self.uint8:
            output |= {"dtype": "uint8", "range": [0, 255]}
        return {"inputs": inputs, "outputs": [output]}


def draw_inputs(
    spec: ExportSpec,
    count: int,
    seed: int,
    size: tuple[int, int] | None = None,
    *,
    verify: bool = False,
) -> dict[str, np.ndarray]:
    """Returns inputs like those of training, by name, with all classes in turn.

    Every other example calibrates, the rest verify. Images of another `size` than in training,
    (height, width), are synthetic.
    """
    rng = np.random.default_rng(seed)
    _, default = spec.truncation
    rows = np.arange(len(next(iter(spec.examples.values()), ())))
    if rows.size and size is None:
        rows = rows[int(verify) :: 2] if rows.size > 1 else rows
        rows = np.resize(rng.permutation(rows), count)
    values: dict[str, np.ndarray] = {}
    for item in spec.network.inputs:
        name, shape = item.name, (count, *item.shape[1:])
        if name in spec.examples and size is None:
            values[name] = spec.examples[name][rows]
        elif name == "z":
            distribution = spec.latent_distribution
            values[name] = draw_latents(count, shape[1], seed=seed, distribution=distribution)
            if spec.truncation == (LATENTS, default) and default is not None:
                values[name] = truncated(values[name], default)
        elif name == "truncation":
            usual = 1.0 if default is None else default
            values[name] = np.full(count, usual, np.float32)
            values[name][1::2] = rng.uniform(0.0, 1.0, count // 2)
        elif name == "label":
            values[name] = (np.arange(count) % len(spec.class_names)).astype(np.int32)
        elif name == "text":
            values[name] = rng.standard_normal(shape, dtype=np.float32)
        elif name == "words":
            known = len(spec.facts["vocabulary"]) + FIRST
            values[name] = rng.integers(0, known, shape, dtype=np.int32)
            values[name][:, 0] = FIRST  # a caption has at least one word
        else:
            height, width = size or (spec.facts["size"] if None in shape else shape[1:3])
            make = _synthetic_masks if name == "mask" else _synthetic_images
            values[name] = make(rng, (count, height, width, shape[-1]))
    return values


def verification_cases(spec: ExportSpec, seed: int) -> list[dict[str, np.ndarray]]:
    """Returns inputs that verify a file, of two sizes if the network takes any."""
    count = VERIFIED[spec.kind]
    if spec.kind == "latents":
        pixels = math.prod(spec.network.outputs[0].shape[1:-1])
        count = min(count, max(FEWEST_VERIFIED, count * 64 * 64 // pixels))
    cases = [draw_inputs(spec, count, seed, verify=True)]
    if spec.has_free_size:
        height, width = spec.facts["size"]
        more = max(2, spec.facts.get("multiple", 1))
        cases.append(draw_inputs(spec, 1, seed, (height + more, width + 2 * more), verify=True))
    return cases


def _synthetic_masks(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """One box in each."""
    height, width = shape[1:3]
    masks = np.zeros(shape, np.float32)
    for mask in masks:
        top, left = rng.integers(0, max(1, height // 2)), rng.integers(0, max(1, width // 2))
        mask[top : top + (height + 1) // 2, left : left + (width + 1) // 2] = 1.0
    return masks


def _synthetic_images(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Large blocks of colour with a little noise."""
    count, height, width, channels = shape
    coarse = rng.uniform(-1, 1, (count, -(-height // 8), -(-width // 8), channels))
    blocks = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
    return np.clip(blocks + 0.1 * rng.standard_normal(shape), -1, 1).astype(np.float32)
