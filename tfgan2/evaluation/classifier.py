"""Features of a small classifier that is trained on the dataset's own labels.

Inception knows photographs and was never taught what makes a digit good. A classifier of the
dataset's classes was; it is the usual judge of GANs on MNIST (Lin et al. 2018, arXiv:1712.04086).
"""

from __future__ import annotations

import itertools
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras.initializers import HeNormal, LecunNormal

from tfgan2.errors import UserError
from tfgan2.evaluation.cache import CachedArrays
from tfgan2.evaluation.extractor import Extractor, means_of_blocks
from tfgan2.evaluation.samples import RealSamples
from tfgan2.pretrained.hashing import weights_hash

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset, Progress

VERSION = 3
"""Of the network and its training; the cache ignores classifiers of other versions."""

DIM = 128

_STACKED_IMAGES = 60_000  # of MNIST; the 128,000 triples show each of them several times
_LARGEST = 64
_SEED = 0
_EXTRACTOR_BATCH = 250

_BATCH = 128
_EPOCHS = 3
_STEPS = (600, 4_000)
_LEARNING_RATE = 2e-3
_TEST_SHARE, _TEST_IMAGES, _TEST_BYTES = 0.1, 5_000, 2**28

Example = tuple[np.ndarray, int]
"""A uint8 image, as the network gets it, and its label."""


def make_classifier(dataset: ImageDataset, cache_dir: Path, progress: Progress) -> Extractor:
    """Returns the classifier of a dataset, from the cache or newly trained.

    The features are the 128 values of the last hidden layer before its ReLU: after it many are 0,
    which no Gaussian describes. Their mean square over real images is 1, the scale that the cubic
    kernel of KID is meant for. For "stacked_mnist" one network of digits is applied to each
    channel: the features are those of red, green and blue one after the other, the probabilities
    their products.

    Raises a UserError if the dataset has fewer than 2 classes.
    """
    classes = len(dataset.class_names) if dataset.kind == "images" else 0
    if classes < 2:
        has = "one class only, a classifier needs two" if classes else "no labels for a classifier"
        others = "choose the features efficientnet-lite0, random-conv-112, pixels or inception"
        raise UserError(f"dataset {dataset.name!r} has {has}: {others}")
    reals = RealSamples(dataset)
    reals.progress = progress
    content = {"fingerprint": dataset.fingerprint, "image_shape": list(dataset.image_shape)}
    content |= {"pixels": reals.content, "classes": reals.classes}
    versions = {"version": VERSION, "tensorflow": tf.__version__, "keras": keras.__version__}
    cached = CachedArrays(cache_dir, "classifier", {**content, **versions})
    network, arrays = _network(dataset), cached.load()
    if arrays is None:
        with cached.locked():
            arrays = cached.load()
            if arrays is None:
                arrays = _train(network, dataset, progress)
                cached.save(arrays)
    weights = [arrays[name] for name in sorted(arrays) if name.startswith("weights_")]
    network.set_weights(weights)
    count, accuracy = dataset.num_images, float(arrays["accuracy"])
    channels = dataset.image_shape[2]  # those of a pipeline may be any number
    colour = {1: "grey", 3: "RGB", 4: "RGBA"}.get(channels, f"{channels} channels")
    protocol = {
        "features": "classifier: its last hidden layer before the ReLU",
        "version": VERSION,
        "weights": weights_hash(weights),
        "resize": means_of_blocks(_shrinking(dataset)),
        "input": f"uint8 {colour}{', each channel by itself' if _is_stacked(dataset) else ''}",
        "trained_on": {"images": count, "classes": classes},
        "accuracy": None if np.isnan(accuracy) else round(accuracy, 4),
        "accuracy_of": f"{arrays['judged_on']} images never trained on",
    }
    shape, names, compute = dataset.image_shape, dataset.class_names, _compute(network, dataset)
    dim = 3 * DIM if _is_stacked(dataset) else DIM
    return Extractor("classifier", protocol, shape, dim, _EXTRACTOR_BATCH, compute, True, names)


def _is_stacked(dataset: ImageDataset) -> bool:
    return dataset.name == "stacked_mnist"


def _shrinking(dataset: ImageDataset) -> int:
    return -(-max(dataset.image_shape[:2]) // _LARGEST)


def _network(dataset: ImageDataset) -> keras.Model:
    """The untrained network, from images in [-1, 1] to features and logits.

    Convolutions and poolings down to 4 to 7 pixels, then a hidden layer. Images with an edge above
    64 are first averaged down by a whole factor. The initial weights are always the same.
    """
    layers, seeds = keras.layers, itertools.count(_SEED)
    classes = 10 if _is_stacked(dataset) else len(dataset.class_names)
    height, width, channels = dataset.image_shape
    options = {"padding": "same", "dtype": "float32"}
    shape = (height, width, 1 if _is_stacked(dataset) else channels)
    x = inputs = keras.Input(shape, dtype="float32")
    if (factor := _shrinking(dataset)) > 1:
        x = layers.AveragePooling2D(factor, **options)(x)
    for number, filters in enumerate((32, 64, 128, 128)):
        size = max(x.shape[1:3])
        if number > 1 and size < 8:
            break
        strides = 2 if number == 0 and size > 32 else 1
        kernel = {"kernel_initializer": HeNormal(next(seeds)), "activation": "relu"}
        x = layers.Conv2D(filters, 3, strides, **kernel, **options)(x)
        x = layers.MaxPooling2D(**options)(x)
    x = layers.Flatten(dtype="float32")(x)
    x = layers.Dropout(0.3, seed=next(seeds), dtype="float32")(x)
    features = layers.Dense(DIM, kernel_initializer=HeNormal(next(seeds)), dtype="float32")(x)
    x = layers.ReLU(dtype="float32")(features)
    x = layers.Dropout(0.3, seed=next(seeds), dtype="float32")(x)
    logits = layers.Dense(classes, kernel_initializer=LecunNormal(next(seeds)), dtype="float32")(x)
    return keras.Model(inputs, [features, logits], name="classifier")


def _scaled(images: Any) -> Any:
    """Maps 0…255 to [-1, 1] in TensorFlow."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def _compute(network: keras.Model, dataset: ImageDataset) -> Any:
    stacked = _is_stacked(dataset)
    height, width, channels = dataset.image_shape
    signature = [tf.TensorSpec((_EXTRACTOR_BATCH, height, width, channels), tf.uint8)]

    @tf.function(autograph=False, input_signature=signature)
    def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if stacked:
            images = tf.reshape(tf.transpose(images, [0, 3, 1, 2]), [-1, height, width, 1])
        features, logits = network(_scaled(images), training=False)
        if stacked:
            features = tf.reshape(features, [-1, 3 * DIM])
            logarithms = tf.reshape(tf.nn.log_softmax(logits), [_EXTRACTOR_BATCH, 3, 10])
            red, green, blue = tf.unstack(logarithms, axis=1)
            # Logarithms: the products of all chosen classes may be too small for float32.
            products = red[:, :, None, None] + green[:, None, :, None] + blue[:, None, None, :]
            numbers = np.array([int(name) for name in dataset.class_names])
            logits = tf.gather(tf.reshape(products, [-1, 1000]), numbers, axis=1)
        return features, tf.nn.softmax(logits)

    return compute


def _train(network: keras.Model, dataset: ImageDataset, progress: Progress) -> dict[str, Any]:
    """Trains the network and returns what the cache holds; the same bitwise each time.

    On a GPU that needs TensorFlow's deterministic operations. `weights_00` and so on are in the
    network's order; `accuracy` is that on `judged_on` images that were not trained on, NaN without
    any: up to 5,000 that the dataset holds out, or else up to a tenth of its images.
    """
    test: dict[int, Example] = {}
    held_out = dataset.held_out if dataset.held_out and dataset.held_out.class_names else None
    count = _STACKED_IMAGES if _is_stacked(dataset) else dataset.num_images
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
            _, logits = network(_scaled(images), training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    text = f"training a classifier of {dataset.name}"
    batches = _batched(training_examples(dataset, share, test))
    for step, (images, labels) in zip(range(steps), batches, strict=False):
        if step % 20 == 0:
            progress(text, step, steps)
        update(images, labels)
    progress(text, steps, steps)
    _normalise(network, dataset)
    right: list[bool] = []
    for images, labels in _batched(examples(held_out) if held_out else test.values()):
        _, logits = network(_scaled(images), training=False)
        right.extend(logits.numpy().argmax(axis=1) == labels)
    weights = {f"weights_{number:02d}": array for number, array in enumerate(network.get_weights())}
    accuracy = np.mean(right) if right else np.nan
    return {**weights, "accuracy": accuracy, "judged_on": len(right)}


def training_examples(
    dataset: ImageDataset, share: float, test: dict[int, Example]
) -> Iterator[Example]:
    """Yields the images to train on, without end, and puts some of the others into `test`.

    A fraction `share` is not trained on. A checksum of their content decides, which needs no
    indices, as streamed datasets have none, and keeps duplicates on one side. `test` holds them by
    their checksum, as many as memory allows.
    """
    first_epoch, trained = dataset.num_images * (3 if _is_stacked(dataset) else 1), False
    for number, example in enumerate(examples(dataset, endless=True)):
        if number == first_epoch and not trained:
            share = 0.0  # all images of a tiny dataset were set aside
            test.clear()
        checksum = zlib.crc32(example[0].tobytes())
        if checksum >= share * 2**32:
            trained = True
            yield example
        elif len(test) < max(1, min(_TEST_IMAGES, _TEST_BYTES // example[0].size)):
            test.setdefault(checksum, example)


def examples(dataset: ImageDataset, *, endless: bool = False) -> Iterator[Example]:
    """Yields the first images of a dataset, at most 5,000; of stacked digits, their channels."""
    count = sys.maxsize if endless else min(dataset.num_images, _TEST_IMAGES)
    for images, labels, _ in RealSamples(dataset).chunks(count):
        assert labels is not None
        if _is_stacked(dataset):
            images = np.moveaxis(images, 3, 1).reshape(-1, *images.shape[1:3], 1)
            labels = np.array([int(d) for label in labels for d in dataset.class_names[label]])
        yield from zip(images, labels, strict=True)


def _batched(examples: Iterable[Example]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields uint8 images and int32 labels, `_BATCH` at a time."""
    remaining = iter(examples)
    while some := list(itertools.islice(remaining, _BATCH)):
        images, labels = zip(*some, strict=True)
        yield np.stack(images), np.array(labels, np.int32)


def _normalise(network: keras.Model, dataset: ImageDataset) -> None:
    """Scales the features to a mean square of 1; ReLU being linear, the logits do not change."""
    squares = []
    for images, _ in _batched(examples(dataset)):
        features, _ = network(_scaled(images), training=False)
        squares.append(np.square(features.numpy()).mean(axis=1, dtype=np.float64))
    scale = np.float32(np.sqrt(np.concatenate(squares).mean())) or np.float32(1)
    *others, kernel, bias, next_kernel, next_bias = network.get_weights()
    network.set_weights([*others, kernel / scale, bias / scale, next_kernel * scale, next_bias])
