"""`stacked_mnist`: three random MNIST digits as red, green and blue (Metz et al. 2016)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import tensorflow as tf

from tfgan2.data.dataset import ImageDataset
from tfgan2.data.records import read_split
from tfgan2.data.request import Request, choose_classes, hold_out, keep_classes
from tfgan2.data.sources import IndexedSource, as_tensor
from tfgan2.errors import UserError

NUM_IMAGES = 128_000
"""As in Lin et al. 2018: 128 of each of the 1000 modes, on average."""

_SEED = 0


def load(request: Request) -> ImageDataset:
    """Loads "stacked_mnist"; MNIST is held in memory, and the digits are stacked while training.

    The label is the number that the digits form in the order red, green, blue.

    Raises:
        UserError: channels other than 3, an unknown split or class, or MNIST cannot be downloaded
            or read.
    """
    name = request.name
    if request.channels not in (None, 3):
        raise UserError(f"dataset {name!r} has a digit in each of 3 channels: leave --channels out")
    known = [f"{number:03d}" for number in range(1000)]
    choose_classes(request.classes, known, name=name)  # errors before anything is read
    mnist = read_split(replace(request, name="mnist", channels=1, classes=None))
    if mnist.labels is None or mnist.class_names != tuple("0123456789"):
        raise UserError(f"dataset {name!r} needs an mnist with labels from 0 to 9")
    # RandomState: NumPy promises that its draws stay the same.
    triples = np.random.RandomState(_SEED).randint(
        len(mnist.images), size=(NUM_IMAGES, 3), dtype=np.int32
    )
    numbers = mnist.labels[triples] @ np.array([100, 10, 1], np.int32)
    names, labels, kept = keep_classes(request, known, numbers)
    if not len(kept):
        raise UserError(f"dataset {name!r} holds no images of these classes: choose others")
    triples = triples[kept]

    def build(indices: np.ndarray, held_out: ImageDataset | None) -> ImageDataset:
        return ImageDataset(
            StackedSource(mnist.images, triples[indices], labels[indices]),
            name=name,
            image_shape=(*mnist.images.shape[1:3], 3),
            class_names=names,
            content=[name, *mnist.content],
            held_out=held_out,
        )

    return hold_out(len(triples), request, build)


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
