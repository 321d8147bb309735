"""`stacked_mnist`: three random MNIST digits as red, green and blue (Metz et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.download import quiet
from tfgan2.data.records import DEFAULT_SPLIT, Split
from tfgan2.data.request import Request, build
from tfgan2.data.sources import as_tensor, table_source
from tfgan2.errors import UserError

NUM_IMAGES = 128_000
"""As in Lin et al. 2018: 128 of each of the 1000 modes, on average."""


def load(request: Request) -> ImageDataset:
    """Loads "stacked_mnist"; MNIST is held in memory, and the digits are stacked while training.

    The label is the number that the digits form in the order red, green, blue.
    """
    name = request.name
    if request.channels not in (None, 3):
        raise UserError(
            f"dataset {name!r} has a digit in each of 3 channels", ": leave --channels out"
        )
    known = [f"{number:03d}" for number in range(1000)]
    request.choose_classes(known)  # errors before anything is read
    with quiet():
        grey_digits = replace(request, name="mnist", channels=1, classes=None)
        mnist = Split(grey_digits, request.split or DEFAULT_SPLIT)
        images, digits = mnist.read()
    if digits is None or mnist.class_names != tuple("0123456789"):
        raise UserError(f"dataset {name!r} needs an mnist with labels from 0 to 9")
    # RandomState: NumPy promises that its draws stay the same.
    draws = np.random.RandomState(0)
    triples = draws.randint(len(images), size=(NUM_IMAGES, 3), dtype=np.int32)

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        source = stacked_source(images, triples[numbers], labels)
        shape = (*mnist.image_shape[:2], 3)
        return ImageDataset(source, name, shape, [name, *mnist.content])

    labels = digits[triples] @ np.array([100, 10, 1], np.int32)
    return build(request, NUM_IMAGES, part, known=known, labels=labels)


def stacked_source(images: np.ndarray, triples: np.ndarray, labels: np.ndarray | None) -> Source:
    """Grey images in memory, uint8, shape (M, H, W, 1), three of which make one of N samples.

    `triples` are the indices of a sample's red, green and blue image, int32, shape (N, 3).
    """

    def look_up(tables: Sequence[tf.Tensor], numbers: tf.Tensor) -> tf.Tensor:
        grey, rows = tables
        channels = [tf.gather(grey, row) for row in tf.unstack(tf.gather(rows, numbers), axis=1)]
        return tf.concat(channels, axis=-1)

    return table_source(len(triples), [as_tensor(images), as_tensor(triples)], look_up, labels)
