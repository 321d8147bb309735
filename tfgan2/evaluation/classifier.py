"""Features of a small classifier that is trained on the dataset's own labels.

Inception knows photographs and was never taught what makes a digit good. A classifier of the
dataset's classes was; it is the usual judge of GANs on MNIST (Lin et al. 2018, arXiv:1712.04086).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.evaluation.cache import CachedArrays
from tfgan2.evaluation.extractor import Extractor, weights_hash
from tfgan2.images import to_uint8

if TYPE_CHECKING:
    import keras

    from tfgan2.data import ImageDataset, Progress

VERSION = 2
"""Of the network and its training; the cache ignores classifiers of other versions."""

DIM = 128

_STACKED = "stacked_mnist"
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

    Raises:
        UserError: the dataset has fewer than 2 classes, or the cache cannot be written.
    """
    import keras
    import tensorflow as tf

    classes = len(dataset.class_names) if dataset.kind == "images" else 0
    if classes < 2:
        has = "one class only, a classifier needs two" if classes else "no labels for a classifier"
        others = "give --features random-conv-112, pixels or inception"
        raise UserError(f"dataset {dataset.name!r} has {has}: {others}")
    key = {
        "version": VERSION,
        "fingerprint": dataset.fingerprint,
        "image_shape": list(dataset.image_shape),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    cached = CachedArrays(cache_dir, "classifier", key)
    stacked = dataset.name == _STACKED
    height, width, channels = dataset.image_shape
    network = _network((height, width, 1 if stacked else channels), 10 if stacked else classes)
    arrays = cached.load()
    if arrays is None:
        arrays = _train(network, dataset, progress)
        cached.save(arrays)
    weights = [arrays[name] for name in sorted(arrays) if name.startswith("weights_")]
    network.set_weights(weights)
    factor = _shrinking(dataset.image_shape)
    colour = {1: "grey", 3: "RGB", 4: "RGBA"}[channels]
    accuracy = float(arrays["accuracy"])
    protocol = {
        "features": "classifier: its last hidden layer before the ReLU",
        "version": VERSION,
        "weights": weights_hash(weights),
        "resize": f"means of {factor}x{factor} pixels" if factor > 1 else "none",
        "input": f"uint8 {colour}{', each channel by itself' if stacked else ''}",
        "trained_on": {
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "image_shape": [height, width, channels],
            "images": dataset.num_images,
            "classes": classes,
        },
        "accuracy": None if np.isnan(accuracy) else round(accuracy, 4),
        "accuracy_of": f"{arrays['judged_on']} images never trained on",
    }
    return Extractor(
        "classifier",
        3 * DIM if stacked else DIM,
        protocol,
        dataset.image_shape,
        _EXTRACTOR_BATCH,
        _compute(network, dataset),
        num_classes=classes,
        class_names=dataset.class_names,
    )


def _shrinking(image_shape: tuple[int, int, int]) -> int:
    return -(-max(image_shape[:2]) // _LARGEST)


def _network(image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The untrained network, from images in [-1, 1] to features and logits.

    Convolutions and poolings down to 4 to 7 pixels, then a hidden layer. Images with an edge above
    64 are first averaged down by a whole factor. The initial weights are always the same.
    """
    import keras

    layers, size = keras.layers, max(image_shape[:2])
    seeds = itertools.count(_SEED)
    options = {"padding": "same", "dtype": "float32"}

    def initializer(scale: float) -> keras.initializers.Initializer:
        return keras.initializers.VarianceScaling(scale, seed=next(seeds))

    x = inputs = keras.Input(image_shape, dtype="float32")
    if (factor := _shrinking(image_shape)) > 1:
        x = layers.AveragePooling2D(factor, **options)(x)
        size = -(-size // factor)
    for number, filters in enumerate((32, 64, 128, 128)):
        if number > 1 and size < 8:
            break
        strides = 2 if number == 0 and size > 32 else 1
        x = layers.Conv2D(
            filters, 3, strides, activation="relu", kernel_initializer=initializer(2.0), **options
        )(x)
        x = layers.MaxPooling2D(**options)(x)
        size = -(-size // (2 * strides))
    x = layers.Flatten(dtype="float32")(x)
    x = layers.Dropout(0.3, seed=next(seeds), dtype="float32")(x)
    features = layers.Dense(DIM, kernel_initializer=initializer(2.0), dtype="float32")(x)
    x = layers.ReLU(dtype="float32")(features)
    x = layers.Dropout(0.3, seed=next(seeds), dtype="float32")(x)
    logits = layers.Dense(classes, kernel_initializer=initializer(1.0), dtype="float32")(x)
    return keras.Model(inputs, [features, logits], name="classifier")


def _scaled(images: Any) -> Any:
    """Maps 0…255 to [-1, 1] in TensorFlow."""
    import tensorflow as tf

    return tf.cast(images, tf.float32) / 127.5 - 1.0


def _compute(network: keras.Model, dataset: ImageDataset) -> Any:
    import tensorflow as tf

    stacked = dataset.name == _STACKED
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


# --- training ------------------------------------------------------------------------------------


def _train(
    network: keras.Model, dataset: ImageDataset, progress: Progress
) -> dict[str, np.ndarray]:
    """Trains the network; training again gives the same weights bitwise.

    On a GPU that needs TensorFlow's deterministic operations.

    Returns:
        Arrays for the cache: `weights_00` and so on in the network's order; `accuracy` on images
        that were not trained on, NaN without any; and `judged_on`, their number. Those are up to
        5,000 images that the dataset holds out, or else a tenth of its images, up to 5,000.
    """
    import keras
    import tensorflow as tf

    test: dict[int, Example] = {}
    held_out = dataset.held_out if dataset.held_out and dataset.held_out.class_names else None
    count = _STACKED_IMAGES if dataset.name == _STACKED else dataset.num_images
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
    right: list[bool] = []
    examples = first_examples(held_out) if held_out else test.values()
    for _, logits, labels in _outputs(network, examples):
        right.extend(logits.argmax(axis=1) == labels)
    named = {f"weights_{number:02d}": w for number, w in enumerate(network.get_weights())}
    accuracy = np.mean(right) if right else np.nan
    return {**named, "accuracy": np.array(accuracy), "judged_on": np.array(len(right))}


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
    left = dataset.num_images
    waiting: list[Example] = []
    for examples in _batches(dataset):
        limit = max(1, min(_TEST_IMAGES, _TEST_BYTES // examples[0][0].size))
        left -= min(_BATCH, dataset.num_images)
        if left < 0 and not waiting:
            share = 0.0  # a tiny dataset may be set aside completely
        for example in examples:
            checksum = zlib.crc32(example[0].tobytes())
            if checksum >= share * 2**32:
                waiting.append(example)
            elif len(test) < limit:
                test.setdefault(checksum, example)
        while len(waiting) >= _BATCH:
            yield _joined(waiting[:_BATCH])
            del waiting[:_BATCH]


def first_examples(dataset: ImageDataset) -> Iterator[Example]:
    """Yields the first images of a dataset, each once, at most 5,000."""
    count = min(dataset.num_images, _TEST_IMAGES)
    if dataset.name == _STACKED:
        count *= 3
    return itertools.islice(itertools.chain.from_iterable(_batches(dataset)), count)


def _batches(dataset: ImageDataset) -> Iterator[list[Example]]:
    """Yields the images of a batch of the dataset at a time, without end."""
    for batch, numbers in dataset.batches(min(_BATCH, dataset.num_images), seed=_SEED):
        images, labels = to_uint8(batch.numpy()), numbers.numpy()
        if dataset.name == _STACKED:
            images = np.moveaxis(images, 3, 1).reshape(-1, *images.shape[1:3], 1)
            digits = "".join(dataset.class_names[label] for label in labels)
            labels = np.array([int(digit) for digit in digits])
        yield list(zip(images, labels, strict=True))


def _joined(examples: list[Example]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*examples, strict=True)
    return np.stack(images), np.array(labels, np.int32)


def _outputs(
    network: keras.Model, examples: Iterable[Example]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields features, logits and labels of some examples at a time."""
    remaining = iter(examples)
    while some := list(itertools.islice(remaining, _BATCH)):
        images, labels = _joined(some)
        features, logits = network(_scaled(images), training=False)
        yield features.numpy(), logits.numpy(), labels


def _normalise(network: keras.Model, dataset: ImageDataset) -> None:
    """Scales the features to a mean square of 1; ReLU being linear, the logits do not change."""
    squares = [
        np.square(features).mean(axis=1, dtype=np.float64)
        for features, _, _ in _outputs(network, first_examples(dataset))
    ]
    scale = np.float32(np.sqrt(np.concatenate(squares).mean())) or np.float32(1)
    *others, kernel, bias, next_kernel, next_bias = network.get_weights()
    network.set_weights([*others, kernel / scale, bias / scale, next_kernel * scale, next_bias])
