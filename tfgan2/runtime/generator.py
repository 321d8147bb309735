"""A generator in an exported file: images from latents, labels and texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from tfgan2.errors import UserError
from tfgan2.inputs.labels import check_labels, choose_labels
from tfgan2.inputs.latents import check_latents, draw_latents
from tfgan2.inputs.truncation import truncated_inputs
from tfgan2.inputs.words import encode_words, in_turn
from tfgan2.runtime.backends import Inputs, Model

Label = str | int | Sequence[str | int]
Text = str | Sequence[str]


class Generator:
    """A generator in an exported file, made by `tfgan2.runtime.load`.

    Attributes:
        metadata: description of the file; docs/export.md lists the fields.
        latent_dim: length of a latent.
        latent_distribution: distribution of the latents in training, "normal" or "uniform".
        class_names: names of the labels 0, 1, …; empty for an unconditional generator.
        conditional: whether it takes labels.
        captions: the texts used where none is given; empty for a generator without texts.
        image_shape: (height, width, channels).
        batch: number of images that the model makes at once, None where that is free.
        truncation_of: what a truncation moves, see `tfgan2.inputs.truncation`; "" without one.
        default_truncation: the truncation where none is given; None: images are not truncated.
    """

    def __init__(self, model: Model, encoder: Model | None = None) -> None:
        self.metadata = metadata = model.metadata
        self.latent_dim: int = metadata["latent"]["dim"]
        self.latent_distribution: str = metadata["latent"]["distribution"]
        self.class_names: tuple[str, ...] = tuple(metadata["class_names"])
        self.conditional = bool(self.class_names)
        self.captions: tuple[str, ...] = tuple(metadata.get("captions", ()))
        self.image_shape: tuple[int, ...] = tuple(metadata["outputs"][0]["shape"][1:])
        self.batch: int | None = metadata["batch"]
        truncation = metadata.get("truncation", {})
        self.truncation_of: str = truncation.get("of", "")
        self.default_truncation: float | None = truncation.get("default")
        self._model = model
        self._encoder = encoder
        if encoder is not None:
            known, length = encoder.metadata["vocabulary"], encoder.metadata["caption_length"]
            self._words = partial(encode_words, vocabulary=known, length=length)

    def __call__(
        self,
        latents: np.ndarray,
        labels: np.ndarray | None = None,
        texts: Sequence[str] | None = None,
        *,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Makes images.

        Args:
            latents: shape (N, latent_dim), any N.
            labels: whole numbers, shape (N,); needed by a conditional generator, None for others.
            texts: N texts; needed by a generator that takes them, None for others.
            truncation: small values give more typical and less varied images; default: that of the
                export.

        Returns:
            float32, shape (N, H, W, C), in [-1, 1].

        Raises:
            UserError: a wrong shape, a latent that is not finite, a wrong label, a text without a
                known word, or a truncation for a generator that has none.
        """
        return self.run(self.inputs(latents, labels, texts, truncation=truncation))

    def inputs(
        self,
        latents: np.ndarray,
        labels: np.ndarray | None = None,
        texts: Sequence[str] | None = None,
        *,
        truncation: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Checks the arguments of a call; returns them as arrays by name, for `run`."""
        inputs = {"z": check_latents(latents, self.latent_dim)}
        labels = check_labels(labels, len(latents), len(self.class_names))
        if labels is not None:
            inputs["label"] = labels
        if (texts is None) != (self._encoder is None):
            raise UserError(f"this generator {'needs' if texts is None else 'takes no'} texts")
        if texts is not None:
            if len(texts) != len(latents):
                raise UserError(f"{len(latents)} latents need as many texts, not {len(texts)}")
            inputs["words"] = self._words(texts)
        chosen = self.default_truncation if truncation is None else truncation
        return truncated_inputs(inputs, self.truncation_of, chosen)

    def run(self, inputs: Inputs) -> np.ndarray:
        """Makes images from what `inputs` returned."""
        inputs = dict(inputs)
        if self._encoder is not None:
            inputs["text"] = self._encoder({"words": inputs.pop("words")})
        return self._model(inputs)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts as the model takes them: float32, shape (N, dim)."""
        assert self._encoder is not None  # else it has no captions
        return self._encoder({"words": self._words(texts)})

    def generate(
        self,
        count: int,
        *,
        seed: int = 0,
        label: Label | None = None,
        text: Text | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Draws latents and makes images from them.

        Args:
            count: number of images, at least 1.
            seed: seed of the latents; the same seed gives the same latents for every format.
            label: a class by name or number, or several to cycle through; default: all.
            text: a text, or several to cycle through; default: `captions`.
            truncation: as in a call.

        Returns:
            float32, shape (count, H, W, C), in [-1, 1].

        Raises:
            UserError: an impossible count or seed, an unknown label, a text without a known word,
                or a label, text or truncation for a generator that takes none.
        """
        drawn = self.draw(count, seed=seed, label=label, text=text)
        return self(*drawn, truncation=truncation)

    def draw(
        self, count: int, *, seed: int = 0, label: Label | None = None, text: Text | None = None
    ) -> tuple[np.ndarray, np.ndarray | None, list[str] | None]:
        """Draws latents, labels and texts for a call; the arguments are those of `generate`."""
        distribution = self.latent_distribution
        latents = draw_latents(count, self.latent_dim, seed=seed, distribution=distribution)
        return latents, *self.conditions(count, label, text)

    def conditions(
        self, count: int, label: Label | None = None, text: Text | None = None
    ) -> tuple[np.ndarray | None, list[str] | None]:
        """Returns `count` int32 labels and texts, each None if it takes none; see `generate`."""
        texts = [text] if isinstance(text, str) else list(text or self.captions)
        if text and self._encoder is None:
            raise UserError("this generator takes no texts")
        labels = choose_labels(count, label, self.class_names)
        return labels, in_turn(texts, count) if texts else None
