"""A generator of latents, in an exported file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.inputs.labels import check_labels, choose_labels
from tfgan2.inputs.latents import check_latents, draw_latents
from tfgan2.inputs.words import encode_words, in_turn
from tfgan2.runtime.backends import Backend, in_batches


class TextEncoder:
    """Sentences become what a generator takes.

    Attributes:
        vocabulary: the words that are known.
        length: how many words of a sentence are read.
        dim: how many numbers it makes of a sentence.
    """

    def __init__(self, backend: Backend, metadata: dict[str, Any]) -> None:
        self.vocabulary: tuple[str, ...] = tuple(metadata["vocabulary"])
        self.length: int = metadata["caption_length"]
        self._batch: int | None = metadata["batch"]
        output = metadata["outputs"][0]
        self.dim: int = output["shape"][1]
        self._output: str = output["name"]
        self._backend = backend

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Sentences encoded, float32, shape (N, dim).

        Raises:
            UserError: a text without a word that is known.
        """
        return in_batches(self._backend, {"words": self.numbers(texts)}, self._output, self._batch)

    def numbers(self, texts: Sequence[str]) -> np.ndarray:
        """The numbers of the words of sentences, int32, shape (N, length).

        Raises:
            UserError: a text without a word that is known.
        """
        return encode_words(texts, self.vocabulary, self.length)


class Generator:
    """A generator in an exported file. `load` makes it.

    Attributes:
        metadata: what the file says of itself; docs/export.md lists the fields.
        latent_dim: the length of a latent.
        latent_distribution: what the latents were drawn from in training, "normal" or "uniform".
        class_names: the names of the labels 0, 1, …; empty for an unconditional generator.
        conditional: whether it takes labels.
        captions: what is drawn where no text is given; empty for a generator without texts.
        image_shape: (height, width, channels).
        batch: how many images the model makes at once, None where that is free.
    """

    def __init__(
        self, backend: Backend, metadata: dict[str, Any], encoder: TextEncoder | None = None
    ) -> None:
        """
        Args:
            backend: runs the file.
            metadata: of the file.
            encoder: of sentences, for a generator that takes these.
        """
        self.metadata = metadata
        self.captions: tuple[str, ...] = tuple(metadata.get("captions", ()))
        self._encoder = encoder
        self.latent_dim: int = metadata["latent"]["dim"]
        self.latent_distribution: str = metadata["latent"]["distribution"]
        self.class_names: tuple[str, ...] = tuple(metadata["class_names"])
        self.conditional = any(item["name"] == "label" for item in metadata["inputs"])
        output = metadata["outputs"][0]
        self.image_shape: tuple[int, ...] = tuple(output["shape"][1:])
        self.batch: int | None = metadata["batch"]
        self._output: str = output["name"]
        self._backend = backend

    def __call__(
        self,
        latents: np.ndarray,
        labels: np.ndarray | None = None,
        texts: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Makes images.

        Args:
            latents: shape (N, latent_dim), any N.
            labels: whole numbers, shape (N,); needed by a conditional generator, None for others.
            texts: N sentences; needed by a generator that takes these, None for others.

        Returns:
            float32, shape (N, H, W, C), in [-1, 1].

        Raises:
            UserError: a wrong shape, a latent that is no finite number, a wrong label, or a text
                without a word that is known.
        """
        latents, labels = self.check(latents, labels, texts)
        inputs = {"z": latents}
        if labels is not None:
            inputs["label"] = labels
        if texts is not None and self._encoder is not None:
            inputs["text"] = self._encoder(texts)
        return in_batches(self._backend, inputs, self._output, self.batch)

    def check(
        self,
        latents: np.ndarray,
        labels: np.ndarray | None = None,
        texts: Sequence[str] | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Whether images can be made of these; the arguments and errors are those of a call.

        Returns:
            The latents and the labels, in the types that the model takes.
        """
        latents = check_latents(latents, self.latent_dim)
        labels = check_labels(
            labels, len(latents), len(self.class_names) if self.conditional else 0
        )
        if texts is None and self._encoder is not None:
            raise UserError("this generator needs texts")
        if texts is not None:
            if self._encoder is None:
                raise UserError("this generator takes no texts")
            if len(texts) != len(latents):
                raise UserError(f"{len(latents)} latents need as many texts, not {len(texts)}")
            self._encoder.numbers(texts)
        return latents, labels

    def generate(
        self,
        count: int,
        *,
        seed: int = 0,
        label: str | int | Sequence[str | int] | None = None,
        text: str | Sequence[str] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Draws latents and makes images of them.

        Args:
            count: how many, at least 1.
            seed: of the latents; the same seed gives the same latents for every format.
            label: a class by name or number, or several to cycle through; default: all.
            text: a sentence, or several to cycle through; default: `captions`.

        Returns:
            The images as `__call__` gives them, the latents of shape (count, latent_dim), and the
            labels of shape (count,), or None for an unconditional generator.

        Raises:
            UserError: a count or seed that is not possible, or an unknown label.
        """
        if count < 1:
            raise UserError(f"count must be at least 1, not {count}")
        if seed < 0:
            raise UserError(f"seed must be 0 or more, not {seed}")
        labels = self.labels(count, label)
        latents = draw_latents(
            count, self.latent_dim, seed=seed, distribution=self.latent_distribution
        )
        return self(latents, labels, self.texts(count, text)), latents, labels

    def labels(
        self, count: int, label: str | int | Sequence[str | int] | None = None
    ) -> np.ndarray | None:
        """Labels for `count` images: `label`, or each of several in turn, or all classes in turn.

        Returns:
            int32, shape (count,), or None for an unconditional generator.

        Raises:
            UserError: an unknown label, or one for an unconditional generator.
        """
        return choose_labels(count, label, self.class_names if self.conditional else ())

    def texts(self, count: int, text: str | Sequence[str] | None = None) -> list[str] | None:
        """Sentences for `count` images: one, or each of several in turn, or the captions in turn.

        Returns:
            As many, or None for a generator without texts.

        Raises:
            UserError: a text for a generator that takes none.
        """
        given = [text] if isinstance(text, str) else list(text or [])
        if given and self._encoder is None:
            raise UserError("this generator takes no texts")
        cycle = given or self.captions
        return in_turn(cycle, count) if cycle else None
