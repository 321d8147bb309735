"""Trains the classifier whose features compare images."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.images import to_uint8

if TYPE_CHECKING:
    import keras

    from tfgan2.data.dataset import ImageDataset, Progress

STACKED = "stacked_mnist"

_TEST_SHARE, _TEST_IMAGES = 0.1, 5_000
_SEED = 0
_BATCH = 128
_EPOCHS = 3
_STEPS = (600, 4_000)
_LEARNING_RATE = 2e-3
_TEST_BYTES = 2**28
_STACKED_IMAGES = 60_000  # of MNIST; the 128,000 triples show each of them several times

Example = tuple[np.ndarray, int]
"""A uint8 image, as the network gets it, and its label."""


@dataclass(frozen=True)
class TrainedClassifier:
    """The weights of a network, and how well it classifies.

    Attributes:
        weights: in the network's order.
        accuracy: on images that it was not trained on, None without any.
        test_images: the number of those images.
    """

    weights: list[np.ndarray]
    accuracy: float | None
    test_images: int

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Returns arrays for a cache."""
        accuracy = np.nan if self.accuracy is None else self.accuracy
        named = {f"weights_{number:02d}": array for number, array in enumerate(self.weights)}
        named |= {"accuracy": np.array(accuracy), "judged_on": np.array(self.test_images)}
        return named

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray] | None, network: keras.Model
    ) -> TrainedClassifier | None:
        """Restores a classifier from `to_arrays`; None if they do not fit the network."""
        shapes = {f"weights_{i:02d}": tuple(w.shape) for i, w in enumerate(network.weights)}
        if arrays is None or set(arrays) != {*shapes, "accuracy", "judged_on"}:
            return None
        if any(arrays[name].shape != shape for name, shape in shapes.items()):
            return None
        accuracy = float(arrays["accuracy"])
        known = None if np.isnan(accuracy) else accuracy
        return cls([arrays[name] for name in shapes], known, int(arrays["judged_on"]))


def network_input(dataset: ImageDataset) -> tuple[tuple[int, int, int], int]:
    """Returns the shape of the network's input, and its number of classes."""
    if dataset.name == STACKED:
        return (*dataset.image_shape[:2], 1), 10
    return dataset.image_shape, len(dataset.class_names)


def scaled(images: Any) -> Any:
    """Maps 0…255 to [-1, 1] in TensorFlow."""
    import tensorflow as tf

    return tf.cast(images, tf.float32) / 127.5 - 1.0


def train(network: keras.Model, dataset: ImageDataset, *, progress: Progress) -> TrainedClassifier:
    """Trains the network; training again gives the same weights bitwise.

    On a GPU that needs TensorFlow's deterministic operations.

    Args:
        network: from `make_network`.
        dataset: with labels. The accuracy is measured on up to 5,000 of its held-out images, or, if
            nothing is held out, on a tenth of its images, up to 5,000, which are not trained on.
        progress: as for `make_classifier`.
    """
    import keras
    import tensorflow as tf

    test: dict[int, Example] = {}
    held_out = dataset.held_out if dataset.held_out and dataset.held_out.class_names else None
    count = _STACKED_IMAGES if dataset.name == STACKED else dataset.num_images
    share = 0.0 if held_out else min(_TEST_SHARE, _TEST_IMAGES / count)
    steps = int(np.clip(_EPOCHS * count * (1 - share) / _BATCH, *_STEPS))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=_LEARNING_RATE, warmup_steps=steps // 10
    )
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(network.trainable_variables)

    # Without XLA, whose convolutions take five times as long as oneDNN's on the CPU (measured).
    @tf.function(autograph=False)
    def update(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            _, logits = network(scaled(images), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    text = f"training a classifier of {dataset.name}"
    for step, (images, labels) in enumerate(training_batches(dataset, share, test)):
        if step % 20 == 0:
            progress(text, step, steps)
        if step == steps:  # after one more batch, which may add to the test images
            break
        update(images, labels)
    progress(text, steps, steps)
    _normalise(network, dataset)
    examples = first_examples(held_out) if held_out else iter(test.values())
    accuracy, test_images = _accuracy(network, examples)
    return TrainedClassifier(network.get_weights(), accuracy, test_images)


def training_batches(
    dataset: ImageDataset, share: float, test: dict[int, Example]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields batches of uint8 images and int32 labels without end.

    Args:
        dataset: with labels.
        share: fraction of the images that is set aside. A checksum of their content decides, which
            needs no indices, as streamed datasets have none, and keeps duplicates on one side.
        test: receives these images by their checksum, as far as memory allows.
    """
    limit = max(1, min(_TEST_IMAGES, _TEST_BYTES // int(np.prod(network_input(dataset)[0]))))
    waiting: list[Example] = []
    seen = 0
    for batch, numbers in dataset.batches(min(_BATCH, dataset.num_images), seed=_SEED):
        seen += len(batch)
        if seen > dataset.num_images and not waiting:
            share = 0.0  # a tiny dataset may be set aside completely
        for image, label in _examples(dataset, batch.numpy(), numbers.numpy()):
            checksum = zlib.crc32(image.tobytes())
            if checksum >= share * 2**32:
                waiting.append((image, label))
            elif len(test) < limit:
                test.setdefault(checksum, (image, label))
        while len(waiting) >= _BATCH:
            images, labels = zip(*waiting[:_BATCH], strict=True)
            yield np.stack(images), np.array(labels, np.int32)
            del waiting[:_BATCH]


def first_examples(dataset: ImageDataset) -> Iterator[Example]:
    """Yields the first images of a dataset, each once, at most 5,000."""
    left = min(dataset.num_images, _TEST_IMAGES)
    for batch, labels in dataset.batches(min(_BATCH, left), seed=_SEED):
        yield from _examples(dataset, batch.numpy()[:left], labels.numpy()[:left])
        left -= len(batch)
        if left <= 0:
            return


def _examples(dataset: ImageDataset, batch: np.ndarray, labels: np.ndarray) -> Iterator[Example]:
    images = to_uint8(batch)
    if dataset.name == STACKED:
        images = np.moveaxis(images, 3, 1).reshape(-1, *batch.shape[1:3], 1)
        triples = [dataset.class_names[label] for label in labels]
        labels = np.array([int(digit) for triple in triples for digit in triple])
    yield from zip(images, labels, strict=True)


def _in_batches(examples: Iterator[Example]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while some := list(itertools.islice(examples, _BATCH)):
        images, labels = (np.stack(part) for part in zip(*some, strict=True))
        yield images, labels


def _normalise(network: keras.Model, dataset: ImageDataset) -> None:
    """Scales the features to a mean square of 1; ReLU being linear, the logits do not change."""
    squares = []
    for images, _ in _in_batches(first_examples(dataset)):
        features = network(scaled(images), training=False)[0]
        squares.append(np.square(features.numpy()).mean(axis=1, dtype=np.float64))
    scale = np.float32(np.sqrt(np.concatenate(squares).mean())) or np.float32(1)
    *others, kernel, bias, next_kernel, next_bias = network.get_weights()
    network.set_weights([*others, kernel / scale, bias / scale, next_kernel * scale, next_bias])


def _accuracy(network: keras.Model, examples: Iterator[Example]) -> tuple[float | None, int]:
    """The accuracy, None without examples, and their number."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def predict(images: tf.Tensor) -> tf.Tensor:
        return tf.argmax(network(scaled(images), training=False)[1], axis=1)

    right = count = 0
    for images, labels in _in_batches(examples):
        missing = [(0, _BATCH - len(images)), (0, 0), (0, 0), (0, 0)]
        predicted = predict(np.pad(images, missing)).numpy()[: len(images)]
        right, count = right + int((predicted == labels).sum()), count + len(labels)
    return (right / count if count else None), count
