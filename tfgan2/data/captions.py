"""`captions:FILE.jsonl` and `digits-captions`: images with sentences that tell what they show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.data import embedded
from tfgan2.data.dataset import (
    WHOLE,
    ImageDataset,
    Part,
    Request,
    Source,
    held,
    with_held_out,
)
from tfgan2.data.files import Files, open_files
from tfgan2.errors import UserError
from tfgan2.images.files import read_image
from tfgan2.inputs import words

if TYPE_CHECKING:
    import tensorflow as tf

PREFIX = "captions:"
DEFAULT_SIZE = 64
LONGEST = 32
"""Words of a caption that are kept."""

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHOWN = 10
"""Captions that are sampled when no text is given."""

_SENTENCES = (
    "a handwritten {word}",
    "the digit {word}",
    "a {word} written by hand",
    "this is the number {word}",
    "the number {number} in white on black",
    "somebody wrote a {number}",
)


def load_file(request: Request) -> ImageDataset:
    """Loads pictures with captions from a file of JSON lines, {"image": path, "caption": text}.

    A path is relative to the file's folder; a caption may be a list of several.

    Raises:
        UserError: no such file, a line that is none, a caption without words, a picture that is
            missing or cannot be read.
    """
    given = request.name.removeprefix(PREFIX)
    path = Path(given).expanduser()
    if not path.is_file():
        raise UserError(f"{given!r} does not exist: give captions:FILE.jsonl of an existing file")
    paths, captions = _read_lines(path)
    everything = Files(path.parent, paths, np.arange(len(paths), dtype=np.int32))
    channels = request.channels or everything.channels()
    size = request.image_size or DEFAULT_SIZE
    shape = (size, size, channels)

    def read(name: str) -> np.ndarray:
        return read_image(everything.root / name, size=size, channels=channels)

    vocabulary, length = _words_of(captions)
    encoded = _Captions(captions, vocabulary, length)

    def part(indices: np.ndarray, rest: ImageDataset | None) -> ImageDataset:
        source, good, skipped = open_files(everything.take(indices), read, shape, request)
        assert good.labels is not None  # `everything` has some
        used = [captions[i] for i in good.labels]
        return ImageDataset(
            CaptionSource(source, encoded),
            name=request.name,
            kind="captions",
            image_shape=shape,
            class_names=(),
            content=["captions", good.digest(), used],
            skipped=skipped,
            held_out=rest,
            details={
                "vocabulary": vocabulary,
                "caption_length": length,
                "captions": _some([texts[0] for texts in captions]),
            },
        )

    return with_held_out(len(paths), request, part)


def load_digits(request: Request) -> ImageDataset:
    """Loads "digits-captions": the built-in digits, each with sentences that name it.

    Raises:
        UserError: a class that does not exist, or too many are to be held out.
    """
    digits = embedded.load(replace(request, name="digits"))
    captions = [
        [sentence.format(word=word, number=number) for sentence in _SENTENCES]
        for number, word in enumerate(_NUMBERS)
    ]
    vocabulary, length = _words_of(captions)
    # A class's number among those that were chosen is not the digit.
    chosen = [captions[int(name)] for name in digits.class_names]
    encoded = _Captions(chosen, vocabulary, length)

    def part(some: ImageDataset, rest: ImageDataset | None) -> ImageDataset:
        return ImageDataset(
            CaptionSource(some.source, encoded),
            name=request.name,
            kind="captions",
            image_shape=some.image_shape,
            class_names=(),
            content=["digits-captions", some.fingerprint],
            held_out=rest,
            details={
                "vocabulary": vocabulary,
                "caption_length": length,
                "captions": [texts[0] for texts in chosen],
            },
        )

    return part(digits, None if digits.held_out is None else part(digits.held_out, None))


def _read_lines(path: Path) -> tuple[list[str], list[list[str]]]:
    paths, captions = [], []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            image, given = entry["image"], entry["caption"]
            texts = [given] if isinstance(given, str) else list(given)
            if not isinstance(image, str) or not all(isinstance(text, str) for text in texts):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f'{path}, line {number}: it must be {{"image": path, "caption": text or list}}'
            ) from None
        if not texts or not all(words.split_words(text) for text in texts):
            raise UserError(f"{path}, line {number}: {image!r} has a caption without words")
        if not (path.parent / image).is_file():
            raise UserError(
                f"{path}, line {number}: the picture {image!r} does not exist; "
                f"paths are relative to {path.parent}"
            )
        paths.append(image)
        captions.append(texts)
    if not paths:
        raise UserError(f"{path} is empty: give lines of an image and its caption")
    return paths, captions


def _words_of(captions: list[list[str]]) -> tuple[list[str], int]:
    """The vocabulary, and how many words a caption has at most."""
    every = [text for texts in captions for text in texts]
    longest = max(len(words.split_words(text)) for text in every)
    return list(words.make_vocabulary(every)), min(longest, LONGEST)


def _some(captions: list[str]) -> list[str]:
    """A few different ones, evenly from all."""
    different = list(dict.fromkeys(captions))
    chosen = np.unique(np.linspace(0, len(different) - 1, SHOWN).astype(int))
    return [different[i] for i in chosen]


class _Captions:
    """The captions of all images as tensors: some rows of words for each."""

    def __init__(self, captions: list[list[str]], vocabulary: list[str], length: int) -> None:
        every = [text for texts in captions for text in texts]
        counts = np.array([len(texts) for texts in captions], np.int32)
        # Of a large vocabulary the rarest words are left out, and a caption may have no others.
        self.words = held(words.encode_words(every, vocabulary, length, strict=False))
        self.counts = held(counts)
        self.first = held((np.cumsum(counts) - counts).astype(np.int32))


class CaptionSource:
    """Images whose label is the place of their captions; each time one of these is drawn."""

    def __init__(self, source: Source, captions: _Captions) -> None:
        self.num_images = source.num_images
        self.in_memory = source.in_memory
        self._source = source
        self._captions = captions

    def batches(
        self, batch_size: int, *, seed: int, start: int, part: Part = WHOLE
    ) -> tf.data.Dataset:
        import tensorflow as tf

        captions = self._captions

        def with_words(first: tf.Tensor, sample: Any) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels = sample
            key = tf.stack([tf.constant(seed, tf.int64), first])
            drawn = tf.random.stateless_uniform((batch_size,), key)[part.of_batch(batch_size)]
            counts = tf.gather(captions.counts, labels)
            # A draw just below 1 may round up to the count itself.
            which = tf.minimum(tf.cast(drawn * tf.cast(counts, tf.float32), tf.int32), counts - 1)
            return images, tf.gather(captions.words, tf.gather(captions.first, labels) + which)

        counter = tf.data.Dataset.counter(start, batch_size)
        samples = self._source.batches(batch_size, seed=seed, start=start, part=part)
        return tf.data.Dataset.zip(counter, samples).map(with_words)
