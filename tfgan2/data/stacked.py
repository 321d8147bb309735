"""`stacked_mnist`: three random MNIST digits as red, green and blue (Metz et al. 2016)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import tensorflow as tf

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.download import quiet
from tfgan2.data.records import Split
from tfgan2.data.request import Request, build, choose_classes, keep_classes
from tfgan2.data.sources import IndexedSource, as_tensor
from tfgan2.errors import UserError

NUM_IMAGES = 128_000
"""As in Lin et al. 2018: 128 of each of the 1000 modes, on average."""

_SEED = 0


def load(request: Request) -> ImageDataset:
    """Loads "stacked_mnist"; MNIST is held in memory, and the digits are stacked while training.

    The label is the number that the digits form in the order red, green, blue.
    """
    name = request.name
    if request.channels not in (None, 3):
        raise UserError(f"dataset {name!r} has a digit in each of 3 channels: leave --channels out")
    known = [f"{number:03d}" for number in range(1000)]
    choose_classes(request.classes, known, name=name)  # errors before anything is read
    with quiet():
        mnist = Split(replace(request, name="mnist", channels=1, classes=None))
        images, digits = mnist.read()
    if digits is None or mnist.class_names != tuple("0123456789"):
        raise UserError(f"dataset {name!r} needs an mnist with labels from 0 to 9")
    # RandomState: NumPy promises that its draws stay the same.
    triples = np.random.RandomState(_SEED).randint(
        len(images), size=(NUM_IMAGES, 3), dtype=np.int32
    )
    numbers = digits[triples] @ np.array([100, 10, 1], np.int32)
    names, labels, kept = keep_classes(request, known, numbers)
    if not len(kept):
        raise UserError(f"dataset {name!r} holds no images of these classes: choose others")
    triples = triples[kept]

    def part(indices: np.ndarray) -> tuple[Source, list[str], tuple[str, ...]]:
        source = StackedSource(images, triples[indices], labels[indices])
        return source, [name, *mnist.content], ()

    shape = (*mnist.image_shape[:2], 3)
    return build(request, len(triples), part, image_shape=shape, class_names=names)


class StackedSource(IndexedSource):
    """Grey images in memory, three of which make one sample."""

    def __init__(self, images: np.ndarray, triples: np.ndarray, labels: np.ndarray) -> None:
        """
        Args:
            images: uint8, shape (M, H, W, 1); must not change any more.
            triples: int32, shape (N, 3): indices of the red, green and blue image of a sample.
            labels: int32, shape (N,).
        """
        self.num_images = len(triples)
        self._images = as_tensor(images)
        self._triples, self._labels = as_tensor(triples), as_tensor(labels)

    def gather(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        red, green, blue = tf.unstack(tf.gather(self._triples, indices), axis=1)
        channels = [tf.gather(self._images, chosen) for chosen in (red, green, blue)]
        return tf.concat(channels, axis=-1), tf.gather(self._labels, indices)
