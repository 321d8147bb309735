"""`captions:FILE` and `digits-captions`: images with captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.data import embedded
from tfgan2.data.dataset import ImageDataset, Order
from tfgan2.data.folders.caption_files import read_captions
from tfgan2.data.folders.copies import equal_files
from tfgan2.data.folders.files import DEFAULT_SIZE, Files, open_files
from tfgan2.data.folders.finding import existing_folder
from tfgan2.data.naming import ARCHIVES, advice, paths_of
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
    """Loads images with captions from a file of a format that `caption_formats` reads.

    An image may have several entries. The labels of the images are their numbers.
    """
    name, *folders = paths_of(request.name)
    path = Path(name).expanduser()
    if path.is_dir() or (path.exists() and path.suffix.lower() in ARCHIVES):
        what = "a folder" if path.is_dir() else "an archive"
        raise UserError(f"{name!r} is {what}: {advice(name, 'captions')}")
    if not path.is_file():
        raise UserError(f"{name!r} does not exist: give captions:FILE with an existing file")
    if len(folders) > 1:
        raise UserError(f"{request.name!r} has several folders: give captions:FILE,DIR")
    folder = existing_folder(folders[0], "captions:FILE,DIR") if folders else None
    entries = read_captions(path, folder)
    paths, captions = _merged(*entries)
    if len(paths) < len(entries.paths):
        request.notes.append(
            f"captions: {len(entries.paths):,} lines name {len(paths):,} different files; each has "
            "the captions of all its lines"
        )
    files = Files(entries.root, paths)
    survey = files.survey(request)
    shape = (*request.edges(DEFAULT_SIZE), request.channels or survey.channels)
    add_captions = with_captions(captions)

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        source, found = open_files(files.take(numbers, numbers), shape, request, survey.ranges)
        assert found.labels is not None  # they are numbers of images
        content = ["captions", found.digest(), [captions[i] for i in found.labels]]
        dataset = ImageDataset(source, request.name, shape, content, surveys=(survey,))
        return add_captions(replace(dataset, skipped=tuple(found.skipped)))

    copies = partial(equal_files, files.absolute(), request)
    return build(request, len(paths), part, copies=copies)


def load_digits(request: Request) -> ImageDataset:
    """Loads "digits-captions": the built-in digits, each with captions that name it."""
    digits = embedded.load_digits(replace(request, name="digits"))
    every = [
        [sentence.format(word=word, number=number) for sentence in _SENTENCES]
        for number, word in enumerate(_DIGITS)
    ]
    # The label of a digit is its position among the chosen classes.
    captions = [every[int(name)] for name in digits.class_names]
    add_captions = with_captions(captions, every)

    def part(digits: ImageDataset) -> ImageDataset:
        content = ["digits-captions", digits.fingerprint]
        return add_captions(replace(digits, name=request.name, class_names=(), content=content))

    return replace(part(digits), held_out=digits.held_out and part(digits.held_out))


def _merged(
    root: Path, paths: list[str], captions: list[list[str]]
) -> tuple[list[str], list[list[str]]]:
    """Returns each file once, however its path is spelled, with the captions of all its lines."""
    found: dict[tuple[int, int], tuple[str, list[str]]] = {}
    for path, texts in zip(paths, captions, strict=True):
        status = (root / path).stat()
        found.setdefault((status.st_dev, status.st_ino), (path, []))[1].extend(texts)
    return [path for path, _ in found.values()], [texts for _, texts in found.values()]


def with_captions(
    captions: list[list[str]], every: list[list[str]] | None = None
) -> Callable[[ImageDataset], ImageDataset]:
    """Returns a function that replaces each label by one of its captions, drawn at random.

    The vocabulary is that of `every` caption, by default of these.
    """
    first = list(dict.fromkeys(texts[0] for texts in captions))
    chosen = np.unique(np.linspace(0, len(first) - 1, EXAMPLES).astype(int))
    examples = [first[number] for number in chosen]
    texts = [text for group in every or captions for text in group]
    vocabulary = words.make_vocabulary(texts)
    length = min(max(len(words.split_words(text)) for text in texts), MAX_WORDS)
    details = {"vocabulary": list(vocabulary), "caption_length": length, "captions": examples}
    flat = [text for group in captions for text in group]
    # A large vocabulary leaves out the rarest words, and a caption may have no others.
    encoded = as_tensor(words.encode_words(flat, vocabulary, length, strict=False))
    sizes = np.array([len(group) for group in captions], np.int32)
    counts = as_tensor(sizes)
    first_rows = as_tensor((np.cumsum(sizes) - sizes).astype(np.int32))

    def add(dataset: ImageDataset) -> ImageDataset:
        labelled = dataset.source

        def drawn(order: Order) -> tf.data.Dataset:
            def with_draw(first: tf.Tensor, drawn: Any) -> tuple[Any, tf.Tensor]:
                key = tf.stack([tf.constant(order.seed, tf.int64), first])
                return drawn, tf.random.stateless_uniform((order.batch_size,), key)[order.rows]

            counter = tf.data.Dataset.counter(order.start, order.batch_size)
            return tf.data.Dataset.zip(counter, labelled.drawn(order)).map(with_draw)

        def look_up(tables: Sequence[tf.Tensor], drawn: Any) -> tuple[tf.Tensor, tf.Tensor]:
            *rest, counts, first_rows, encoded = tables
            samples, draw = drawn
            images, labels = labelled.look_up(rest, samples)
            count = tf.gather(counts, labels)
            # A draw just below 1 may round up to the count itself.
            which = tf.cast(draw * tf.cast(count, tf.float32), tf.int32)
            rows = tf.gather(first_rows, labels) + tf.minimum(which, count - 1)
            return images, tf.gather(encoded, rows)

        tables = (*labelled.tables, counts, first_rows, encoded)
        source = replace(labelled, drawn=drawn, look_up=look_up, tables=tables)
        return replace(dataset, source=source, kind="captions", details=details)

    return add
