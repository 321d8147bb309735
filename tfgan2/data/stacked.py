"""Three random MNIST digits as red, green and blue: a thousand modes (Metz et al. 2016)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tfgan2.data import records
from tfgan2.data.dataset import (
    WHOLE,
    ImageDataset,
    Part,
    Request,
    choose_classes,
    cpu_count,
    held,
    shuffled_indices,
    with_held_out,
)
from tfgan2.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

NUM_IMAGES = 128_000
"""As in Lin et al. 2018: 128 of each mode, on average."""

_SEED = 0


def load(request: Request) -> ImageDataset:
    """Loads "stacked_mnist"; MNIST is held in memory, and the digits are stacked while training.

    The label is the number that the digits make when read in the order red, green, blue.

    Raises:
        UserError: channels other than 3, an unknown split or class, or MNIST cannot be downloaded
            or read.
    """
    name = request.name
    if request.channels not in (None, 3):
        raise UserError(f"dataset {name!r} has a digit in each of 3 channels: leave --channels out")
    numbers = [f"{number:03d}" for number in range(1000)]
    names, relabelled = choose_classes(request.classes, numbers, name=name)
    mnist = records.load_arrays(replace(request, name="mnist", channels=1, classes=None))
    if mnist.labels is None or mnist.class_names != tuple("0123456789"):
        raise UserError(f"dataset {name!r} needs an mnist with labels from 0 to 9")
    # RandomState, since NumPy promises that its draws stay the same; those of newer generators may
    # change with the version.
    triples = np.random.RandomState(_SEED).randint(
        len(mnist.images), size=(NUM_IMAGES, 3), dtype=np.int32
    )
    labels = relabelled[mnist.labels[triples] @ np.array([100, 10, 1], np.int32)]
    kept = labels >= 0
    if not kept.any():
        raise UserError(f"dataset {name!r} holds no images of these classes: choose others")
    triples, labels = triples[kept], labels[kept]

    def part(chosen: np.ndarray, held_out: ImageDataset | None) -> ImageDataset:
        return ImageDataset(
            StackedSource(mnist.images, triples[chosen], labels[chosen]),
            name=name,
            image_shape=(*mnist.images.shape[1:3], 3),
            class_names=names,
            content=[name, *mnist.content],
            held_out=held_out,
        )

    return with_held_out(len(triples), request, part)


class StackedSource:
    """Grey images in memory, three of which make one sample."""

    in_memory = True

    def __init__(self, images: np.ndarray, triples: np.ndarray, labels: np.ndarray) -> None:
        """
        Args:
            images: uint8, shape (M, H, W, 1); must not change any more.
            triples: int32, shape (N, 3): which images are a sample's red, green and blue.
            labels: int32, shape (N,).
        """
        self.num_images = len(triples)
        self._images, self._triples, self._labels = held(images), held(triples), held(labels)

    def batches(
        self, batch_size: int, *, seed: int, start: int, part: Part = WHOLE
    ) -> tf.data.Dataset:
        import tensorflow as tf

        def gather(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            red, green, blue = tf.unstack(tf.gather(self._triples, indices), axis=1)
            channels = [tf.gather(self._images, chosen) for chosen in (red, green, blue)]
            return tf.concat(channels, axis=-1), tf.gather(self._labels, indices)

        return shuffled_indices(self.num_images, batch_size, seed=seed, start=start, part=part).map(
            gather, num_parallel_calls=cpu_count(), deterministic=True
        )
