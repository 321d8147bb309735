"""`captions:FILE.jsonl` and `digits-captions`: images with captions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.data import embedded
from tfgan2.data.dataset import ImageDataset, Order, Source
from tfgan2.data.files import Files
from tfgan2.data.folder import DEFAULT_SIZE, open_files
from tfgan2.data.request import Request, build
from tfgan2.data.sources import as_tensor
from tfgan2.errors import UserError
from tfgan2.inputs import words

MAX_WORDS = 32
"""Words of a caption that are kept."""
EXAMPLES = 10
"""Captions that are sampled when no text is given."""

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SENTENCES = (
    "a handwritten {word}",
    "the digit {word}",
    "a {word} written by hand",
    "this is the number {word}",
    "the number {number} in white on black",
    "somebody wrote a {number}",
)


def load_file(request: Request) -> ImageDataset:
    """Loads images with captions from lines of JSON, {"image": path, "caption": text or list}.

    Paths are relative to the file's folder. The labels of the images are their line numbers.
    """
    path = Path(request.path).expanduser()
    if not path.is_file():
        raise UserError(
            f"{request.path!r} does not exist: give captions:FILE.jsonl with an existing file"
        )
    paths, captions = _read_lines(path)
    files = Files(path.parent, paths, np.arange(len(paths), dtype=np.int32))
    size = request.image_size or DEFAULT_SIZE
    shape = (size, size, request.channels or files.channels())
    encoded = Captions(captions)
    examples = list(dict.fromkeys(texts[0] for texts in captions))
    chosen = np.unique(np.linspace(0, len(examples) - 1, EXAMPLES).astype(int))

    def part(indices: np.ndarray) -> tuple[Source, list[Any], tuple[str, ...]]:
        source, readable, skipped = open_files(files.take(indices), shape, request)
        assert readable.labels is not None  # as those of `files`
        content = ["captions", readable.digest(), [captions[i] for i in readable.labels]]
        return CaptionSource(source, encoded), content, skipped

    details = encoded.facts([examples[i] for i in chosen])
    return build(request, len(paths), part, image_shape=shape, kind="captions", details=details)


def load_digits(request: Request) -> ImageDataset:
    """Loads "digits-captions": the built-in digits, each with captions that name it."""
    digits = embedded.load_digits(replace(request, name="digits"))
    every = [
        [sentence.format(word=word, number=number) for sentence in _SENTENCES]
        for number, word in enumerate(_DIGITS)
    ]
    # The label of a digit is its position among the chosen classes.
    captions = [every[int(name)] for name in digits.class_names]
    encoded = Captions(captions, every)

    def with_captions(part: ImageDataset, held_out: ImageDataset | None) -> ImageDataset:
        return ImageDataset(
            CaptionSource(part.source, encoded),
            request.name,
            part.image_shape,
            (),
            ["digits-captions", part.fingerprint],
            kind="captions",
            held_out=held_out,
            details=encoded.facts([texts[0] for texts in captions]),
        )

    held_out = digits.held_out
    return with_captions(digits, None if held_out is None else with_captions(held_out, None))


def _read_lines(path: Path) -> tuple[list[str], list[list[str]]]:
    """Returns the paths of the images, and the captions of each."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    entries = [
        _read_line(line, path.parent, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not entries:
        raise UserError(f"{path} is empty: give lines with an image and its caption")
    paths, captions = zip(*entries, strict=True)
    return list(paths), list(captions)


def _read_line(line: str, folder: Path, where: str) -> tuple[str, list[str]]:
    try:
        entry = json.loads(line)
        image, caption = entry["image"], entry["caption"]
        texts = [caption] if isinstance(caption, str) else list(caption)
        if not isinstance(image, str) or not all(isinstance(text, str) for text in texts):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f'{where}: the line must be {{"image": path, "caption": text or list}}'
        ) from None
    if not texts or not all(words.split_words(text) for text in texts):
        raise UserError(f"{where}: {image!r} has a caption without words")
    if not (folder / image).is_file():
        raise UserError(
            f"{where}: the image {image!r} does not exist; paths are relative to {folder}"
        )
    return image, texts


class Captions:
    """The captions of each image, encoded with the vocabulary of `every` or of the same."""

    def __init__(self, captions: list[list[str]], every: list[list[str]] | None = None) -> None:
        texts = [text for group in every or captions for text in group]
        self._vocabulary = list(words.make_vocabulary(texts))
        self._length = min(max(len(words.split_words(text)) for text in texts), MAX_WORDS)
        counts = np.array([len(group) for group in captions], np.int32)
        # A large vocabulary leaves out the rarest words, and a caption may have no others.
        encoded = words.encode_words(
            [text for group in captions for text in group],
            self._vocabulary,
            self._length,
            strict=False,
        )
        self.words = as_tensor(encoded)
        self.counts = as_tensor(counts)
        self.first = as_tensor((np.cumsum(counts) - counts).astype(np.int32))

    def facts(self, examples: list[str]) -> dict[str, Any]:
        """Returns the entries that captions add to the facts of a dataset."""
        return {
            "vocabulary": self._vocabulary,
            "caption_length": self._length,
            "captions": examples,
        }


class CaptionSource:
    """Images whose labels are rows of `Captions`; each time one caption of the row is drawn."""

    def __init__(self, source: Source, captions: Captions) -> None:
        self.num_images = source.num_images
        self.in_memory = source.in_memory
        self._source = source
        self._captions = captions

    def batches(self, order: Order) -> tf.data.Dataset:
        captions = self._captions

        def with_words(first: tf.Tensor, sample: Any) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels = sample
            key = tf.stack([tf.constant(order.seed, tf.int64), first])
            drawn = tf.random.stateless_uniform((order.batch_size,), key)[order.rows]
            counts = tf.gather(captions.counts, labels)
            # A draw just below 1 may round up to the count itself.
            which = tf.minimum(tf.cast(drawn * tf.cast(counts, tf.float32), tf.int32), counts - 1)
            return images, tf.gather(captions.words, tf.gather(captions.first, labels) + which)

        counter = tf.data.Dataset.counter(order.start, order.batch_size)
        return tf.data.Dataset.zip(counter, self._source.batches(order)).map(with_words)
