"""Describes one network to export. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.images import is_points
from tfgan2.inputs.words import FIRST

if TYPE_CHECKING:
    import keras


class ExportError(UserError):
    """A conversion is impossible, or a file does not compute what Keras computes."""


@dataclass(frozen=True)
class ExportSpec:
    """A network to export.

    Attributes:
        network: a functional Keras model with one output. Its inputs are named as in
            `tfgan2.export.graph.INPUTS`: `z`, perhaps with `label` or `text`; `input`, perhaps with
            `mask`; or `words`.
        resized: builds the same network for another height and width of its images, None for any;
            None for a network that takes no images.
        facts: more fields of the metadata. A network that takes images needs `size` (height and
            width in training), `multiple` (what height and width must be multiples of) and `scale`
            (size of the output divided by that of the input).
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
    def latent_dim(self) -> int:
        """Length of the latents; 0 for a network without."""
        return next((item.shape[1] for item in self.network.inputs if item.name == "z"), 0)

    @property
    def kind(self) -> str:
        """ "images" for a network that takes images, else "latents"."""
        return "images" if "input" in self.input_names else "latents"

    @property
    def has_free_size(self) -> bool:
        """True if the network takes images of any size."""
        return any(None in item.shape[1:] for item in self.network.inputs)

    def describe(self, batch: int | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Returns name, dtype, shape and meaning of inputs and outputs; a batch of None is free."""
        meanings: dict[str, dict[str, Any]] = {
            "z": {"distribution": self.latent_distribution},
            "label": {"range": [0, len(self.class_names) - 1]},
            "text": {"meaning": "output of text_encoder for a sentence"},
            "input": {"range": [-1, 1], "layout": "NHWC"},
            "mask": {"range": [0, 1], "layout": "NHWC", "meaning": "1 where to fill"},
            "words": {"range": [0, len(self.facts.get("vocabulary", ())) + FIRST - 1]},
        }

        def described(name: str, dtype: str, shape: tuple[int | None, ...]) -> dict[str, Any]:
            return {"name": name, "dtype": dtype, "shape": [batch, *shape[1:]]}

        inputs = [
            described(item.name, item.dtype, item.shape) | meanings[item.name]
            for item in self.network.inputs
        ]
        shape = self.network.outputs[0].shape
        output = described(self.output_name, "float32", shape)
        if self.output_name == "image":
            output |= {"range": None if is_points(shape) else [-1, 1], "layout": "NHWC"}
        if self.uint8:
            output |= {"dtype": "uint8", "range": [0, 255]}
        return inputs, [output]
