"""Features of a small network that was trained to name the dataset's own classes.

Inception knows photographs; what makes a digit good it was never taught. A classifier of the very
classes sees that, and is how GANs on MNIST are judged (Lin et al. 2018, arXiv:1712.04086).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.evaluation.extractor import BatchExtractor, weights_hash
from tfgan2.evaluation.references import Cache
from tfgan2.images import to_uint8

if TYPE_CHECKING:
    import keras

    from tfgan2.data import ImageDataset, Progress

VERSION = 2
"""Of the network and its training: what was trained by another is not taken from the cache."""

DIM = 128
STACKED = "stacked_mnist"
HELD_OUT_SHARE = 0.1
HELD_OUT = 5_000

_SEED = 0
_BATCH = 128
_EPOCHS = 3
_STEPS = (600, 4_000)
_LEARNING_RATE = 2e-3
_LARGEST = 64
_EXTRACTED_AT_ONCE = 250
_HELD_BYTES = 2**28
_STACKED_IMAGES = 60_000  # of mnist; 128,000 triples show each of them several times


@dataclass(frozen=True)
class Trained:
    """A network, and how well it does.

    Attributes:
        weights: in the order of the network's.
        accuracy: share of images it never saw whose class it names, None if there were none.
        judged_on: how many images that was measured on.
    """

    weights: list[np.ndarray]
    accuracy: float | None
    judged_on: int


def make_classifier(dataset: ImageDataset, *, cache: Path, progress: Progress) -> BatchExtractor:
    """The classifier of a dataset, trained if the cache does not have it.

    The features are the 128 values of the last hidden layer before its ReLU: after it many are
    exactly 0, and no Gaussian, by which Fréchet distances describe them, fits that. Their mean
    square over real images is 1: the kernel of KID, a cubic, is meant for values of that size. Of
    "stacked_mnist" one network for digits sees each channel by itself: the features are those of
    red, green and blue, one after the other, and the probabilities the products.

    Args:
        dataset: with labels.
        cache: a folder for what was trained.
        progress: called now and then with what is being done, how much of it, and of how much.

    Raises:
        UserError: the dataset has no labels, or the disk refuses.
    """
    import keras
    import tensorflow as tf

    _check(dataset)
    key = {
        "version": VERSION,
        "fingerprint": dataset.fingerprint,
        "image_shape": list(dataset.image_shape),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    kept = Cache(cache, "classifier")
    network = make_network(*_seen(dataset))
    trained = _from_arrays(kept.load(key), network)
    if trained is None:
        trained = train(network, dataset, progress=progress)
        kept.save(key, _to_arrays(trained))
    network.set_weights(trained.weights)
    stacked = dataset.name == STACKED
    return BatchExtractor(
        name="classifier",
        dim=3 * DIM if stacked else DIM,
        protocol=_protocol(dataset, trained),
        image_shape=dataset.image_shape,
        batch_size=_EXTRACTED_AT_ONCE,
        compute=_compute(network, dataset),
        num_classes=len(dataset.class_names),
        class_names=dataset.class_names,
    )


def _check(dataset: ImageDataset) -> None:
    if dataset.kind != "images" or not dataset.class_names:
        raise UserError(
            f"dataset {dataset.name!r} has no labels to train a classifier on: give --features "
            "random-conv-112, pixels or inception"
        )
    if len(dataset.class_names) < 2:
        raise UserError(
            f"dataset {dataset.name!r} has one class only, which no classifier can be trained on: "
            "give --features random-conv-112, pixels or inception"
        )


def _seen(dataset: ImageDataset) -> tuple[tuple[int, int, int], int]:
    """Shape and number of classes of what the network is given."""
    if dataset.name == STACKED:
        return (*dataset.image_shape[:2], 1), 10
    return dataset.image_shape, len(dataset.class_names)


def _shrinking(image_shape: tuple[int, int, int]) -> int:
    return -(-max(image_shape[:2]) // _LARGEST)


def _protocol(dataset: ImageDataset, trained: Trained) -> dict[str, Any]:
    height, width, channels = dataset.image_shape
    factor = _shrinking(dataset.image_shape)
    names = {1: "grey", 3: "RGB", 4: "RGBA"}
    seen = "RGB, each channel by itself" if dataset.name == STACKED else names[channels]
    return {
        "features": "classifier: its last hidden layer before the ReLU",
        "version": VERSION,
        "weights": weights_hash(trained.weights),
        "resize": f"means of {factor}x{factor} pixels" if factor > 1 else "none",
        "input": f"uint8 {seen}",
        "trained_on": {
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "image_shape": [height, width, channels],
            "images": dataset.num_images,
            "classes": len(dataset.class_names),
        },
        "accuracy": None if trained.accuracy is None else round(trained.accuracy, 4),
        "accuracy_of": f"{trained.judged_on} images never trained on",
    }


# --- the network ---------------------------------------------------------------------------------


def make_network(image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Convolutions and halvings down to 4 to 7 pixels, then a hidden layer; not trained yet.

    Images with an edge above 64 are averaged down by a whole number first. The weights that it
    begins with are always the same.

    Returns:
        From images in [-1, 1], float32, shape (N, H, W, C), to the 128 features and the logits.
    """
    import keras

    layers, size = keras.layers, max(image_shape[:2])
    seeds = iter(range(_SEED, _SEED + 100))

    def drawn(scale: float) -> keras.initializers.Initializer:
        return keras.initializers.VarianceScaling(scale, seed=next(seeds))

    how = {"padding": "same", "dtype": "float32"}
    x = inputs = keras.Input(image_shape, dtype="float32")
    if (factor := _shrinking(image_shape)) > 1:
        x = layers.AveragePooling2D(factor, **how)(x)
        size = -(-size // factor)
    for number, width in enumerate((32, 64, 128, 128)):
        if number > 1 and size < 8:
            break
        strides = 2 if number == 0 and size > 32 else 1
        x = layers.Conv2D(
            width, 3, strides, activation="relu", kernel_initializer=drawn(2.0), **how
        )(x)
        x = layers.MaxPooling2D(**how)(x)
        size = -(-size // (2 * strides))
    x = layers.Flatten(dtype="float32")(x)
    x = layers.Dropout(0.3, seed=next(seeds), dtype="float32")(x)
    features = layers.Dense(DIM, kernel_initializer=drawn(2.0), dtype="float32")(x)
    x = layers.ReLU(dtype="float32")(features)
    x = layers.Dropout(0.3, seed=next(seeds), dtype="float32")(x)
    logits = layers.Dense(classes, kernel_initializer=drawn(1.0), dtype="float32")(x)
    return keras.Model(inputs, [features, logits], name="classifier")


def _compute(network: keras.Model, dataset: ImageDataset) -> Any:
    import tensorflow as tf

    height, width, channels = dataset.image_shape
    numbers = (
        np.array([int(name) for name in dataset.class_names]) if dataset.name == STACKED else None
    )
    shape = (_EXTRACTED_AT_ONCE, height, width, channels)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.uint8)])
    def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if numbers is None:
            features, logits = network(_scaled(images), training=False)
            return features, tf.nn.softmax(logits)
        grey = tf.reshape(tf.transpose(images, [0, 3, 1, 2]), [-1, height, width, 1])
        features, logits = network(_scaled(grey), training=False)
        red, green, blue = tf.unstack(
            tf.reshape(tf.nn.log_softmax(logits), [_EXTRACTED_AT_ONCE, 3, 10]), axis=1
        )
        # Logarithms: of a choice of the numbers all products may be too small for a float32.
        products = red[:, :, None, None] + green[:, None, :, None] + blue[:, None, None, :]
        chosen = tf.gather(tf.reshape(products, [-1, 1000]), numbers, axis=1)
        return tf.reshape(features, [-1, 3 * DIM]), tf.nn.softmax(chosen)

    return compute


def _scaled(images: Any) -> Any:
    import tensorflow as tf

    return tf.cast(images, tf.float32) / 127.5 - 1.0


# --- training ------------------------------------------------------------------------------------


def train(network: keras.Model, dataset: ImageDataset, *, progress: Progress) -> Trained:
    """Trains the network; the same again gives bitwise the same weights.

    That holds on the CPU, and on a GPU where TensorFlow was asked for deterministic operations.

    Args:
        network: as `make_network` gave it.
        dataset: with labels. What it holds out, at most 5,000 images of that, tells the accuracy;
            where it holds out nothing, a tenth of its images, at most 5,000, are not trained on.
        progress: as for `make_classifier`.
    """
    import keras
    import tensorflow as tf

    held: dict[int, tuple[np.ndarray, int]] = {}
    others = dataset.held_out if dataset.held_out and dataset.held_out.class_names else None
    count = _STACKED_IMAGES if dataset.name == STACKED else dataset.num_images
    share = 0.0 if others else min(HELD_OUT_SHARE, HELD_OUT / count)
    steps = int(np.clip(_EPOCHS * count * (1 - share) / _BATCH, *_STEPS))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=_LEARNING_RATE, warmup_steps=steps // 10
    )
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(network.trainable_variables)

    # Without XLA: on the CPU its convolutions take five times as long as oneDNN's (measured).
    @tf.function(autograph=False)
    def update(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            _, logits = network(_scaled(images), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    text = f"training a classifier of {dataset.name}"
    for step, (images, labels) in enumerate(_batches(dataset, share, held)):
        if step % 20 == 0:
            progress(text, step, steps)
        if step == steps:
            break
        update(images, labels)
    progress(text, steps, steps)
    _normalise(network, dataset)
    judged = _first(others) if others else iter(held.values())
    accuracy, judged_on = _accuracy(network, judged)
    return Trained(network.get_weights(), accuracy, judged_on)


def _normalise(network: keras.Model, dataset: ImageDataset) -> None:
    """Gives the features a mean square of 1; the logits stay as they are, ReLU being linear."""
    squares = []
    for images, _ in _in_batches(_first(dataset)):
        features = network(_scaled(images), training=False)[0]
        squares.append(np.square(features.numpy()).mean(axis=1, dtype=np.float64))
    scale = np.float32(np.sqrt(np.concatenate(squares).mean())) or np.float32(1)
    *others, kernel, bias, next_kernel, next_bias = network.get_weights()
    network.set_weights([*others, kernel / scale, bias / scale, next_kernel * scale, next_bias])


def _in_batches(
    singles: Iterator[tuple[np.ndarray, int]],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images and labels, `_BATCH` at a time, the last ones fewer."""
    while some := list(itertools.islice(singles, _BATCH)):
        images, labels = (np.stack(part) for part in zip(*some, strict=True))
        yield images, labels


def _batches(
    dataset: ImageDataset, share: float, held: dict[int, tuple[np.ndarray, int]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Endless batches to train on, of one size: uint8 images and int32 labels.

    Args:
        dataset: with labels.
        share: of the images that are not trained on. Which ones is decided by their content, so
            that it takes no numbers of images, which streamed datasets do not have, and an image
            that is there twice is not on both sides.
        held: these are put here, by their checksum, as far as memory allows.
    """
    limit = max(1, min(HELD_OUT, _HELD_BYTES // int(np.prod(_seen(dataset)[0]))))
    waiting: list[tuple[np.ndarray, int]] = []
    seen = 0
    for batch, numbers in dataset.batches(min(_BATCH, dataset.num_images), seed=_SEED):
        seen += len(batch)
        if seen > dataset.num_images and not waiting:
            share = 0.0  # of very few images all can be among those that are held out
        for image, label in _singles(dataset, batch.numpy(), numbers.numpy()):
            checksum = zlib.crc32(image.tobytes())
            if checksum >= share * 2**32:
                waiting.append((image, label))
            elif len(held) < limit:
                held.setdefault(checksum, (image, label))
        while len(waiting) >= _BATCH:
            images, labels = zip(*waiting[:_BATCH], strict=True)
            yield np.stack(images), np.array(labels, np.int32)
            del waiting[:_BATCH]


def _singles(
    dataset: ImageDataset, batch: np.ndarray, labels: np.ndarray
) -> Iterator[tuple[np.ndarray, int]]:
    """The images of a batch as the network sees them, uint8, with their labels."""
    images = to_uint8(batch)
    if dataset.name == STACKED:
        images = np.moveaxis(images, 3, 1).reshape(-1, *batch.shape[1:3], 1)
        triples = [dataset.class_names[label] for label in labels]
        labels = np.array([int(digit) for triple in triples for digit in triple])
    yield from zip(images, labels, strict=True)


def _first(dataset: ImageDataset) -> Iterator[tuple[np.ndarray, int]]:
    """The first images of a dataset, each once, at most as many as are held out otherwise."""
    left = min(dataset.num_images, HELD_OUT)
    for batch, labels in dataset.batches(min(_BATCH, left), seed=_SEED):
        yield from _singles(dataset, batch.numpy()[:left], labels.numpy()[:left])
        left -= len(batch)
        if left <= 0:
            return


def _accuracy(
    network: keras.Model, judged: Iterator[tuple[np.ndarray, int]]
) -> tuple[float | None, int]:
    """Share of the images whose class is named, and how many images there were."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def named(images: tf.Tensor) -> tf.Tensor:
        return tf.argmax(network(_scaled(images), training=False)[1], axis=1)

    right = count = 0
    for images, labels in _in_batches(judged):
        missing = [(0, _BATCH - len(images)), (0, 0), (0, 0), (0, 0)]
        found = named(np.pad(images, missing)).numpy()[: len(images)]
        right, count = right + int((found == labels).sum()), count + len(labels)
    return (right / count if count else None), count


# --- the file ------------------------------------------------------------------------------------


def _to_arrays(trained: Trained) -> dict[str, np.ndarray]:
    accuracy = np.nan if trained.accuracy is None else trained.accuracy
    named = {f"weights_{number:02d}": array for number, array in enumerate(trained.weights)}
    return {**named, "accuracy": np.array(accuracy), "judged_on": np.array(trained.judged_on)}


def _from_arrays(arrays: dict[str, np.ndarray] | None, network: keras.Model) -> Trained | None:
    """What was kept, or None where it does not fit the network."""
    if arrays is None:
        return None
    names = [f"weights_{number:02d}" for number in range(len(network.weights))]
    if set(arrays) != {*names, "accuracy", "judged_on"}:
        return None
    weights = [arrays[name] for name in names]
    if any(
        array.shape != tuple(w.shape) for array, w in zip(weights, network.weights, strict=True)
    ):
        return None
    accuracy = float(arrays["accuracy"])
    return Trained(weights, None if np.isnan(accuracy) else accuracy, int(arrays["judged_on"]))
