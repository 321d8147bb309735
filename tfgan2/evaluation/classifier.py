"""Features of a small classifier that is trained on the dataset's own labels.

Inception knows photographs and was never taught what makes a digit good. A classifier of the
dataset's classes was; it is the usual judge of GANs on MNIST (Lin et al. 2018, arXiv:1712.04086).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.evaluation import classifier_training
from tfgan2.evaluation.cache import ArrayCache
from tfgan2.evaluation.classifier_training import STACKED, TrainedClassifier, network_input, scaled
from tfgan2.evaluation.extractor import Extractor, weights_hash

if TYPE_CHECKING:
    import keras

    from tfgan2.data.dataset import ImageDataset, Progress

VERSION = 2
"""Of the network and its training; the cache ignores classifiers of other versions."""

DIM = 128

_SEED = 0
_LARGEST = 64
_BATCH = 250


def make_classifier(dataset: ImageDataset, *, cache_dir: Path, progress: Progress) -> Extractor:
    """Returns the classifier of a dataset, from the cache or newly trained.

    The features are the 128 values of the last hidden layer before its ReLU: after it many are 0,
    which no Gaussian describes. Their mean square over real images is 1, the scale that the cubic
    kernel of KID is meant for. For "stacked_mnist" one network of digits is applied to each
    channel: the features are those of red, green and blue one after the other, the probabilities
    their products.

    Args:
        dataset: with labels.
        cache_dir: directory for the trained network.
        progress: called with a description, the steps done and their total.

    Raises:
        UserError: the dataset has fewer than 2 classes, or the cache cannot be written.
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
    cache = ArrayCache(cache_dir, "classifier")
    network = make_network(*network_input(dataset))
    trained = TrainedClassifier.from_arrays(cache.load(key), network)
    if trained is None:
        trained = classifier_training.train(network, dataset, progress=progress)
        cache.save(key, trained.to_arrays())
    network.set_weights(trained.weights)
    return Extractor(
        name="classifier",
        dim=3 * DIM if dataset.name == STACKED else DIM,
        protocol=_protocol(dataset, trained),
        image_shape=dataset.image_shape,
        batch_size=_BATCH,
        compute=_compute(network, dataset),
        num_classes=len(dataset.class_names),
        class_names=dataset.class_names,
    )


def _check(dataset: ImageDataset) -> None:
    others = "give --features random-conv-112, pixels or inception"
    if dataset.kind != "images" or not dataset.class_names:
        raise UserError(f"dataset {dataset.name!r} has no labels for a classifier: {others}")
    if len(dataset.class_names) < 2:
        raise UserError(
            f"dataset {dataset.name!r} has one class only, a classifier needs two: {others}"
        )


def _shrinking(image_shape: tuple[int, int, int]) -> int:
    return -(-max(image_shape[:2]) // _LARGEST)


def _protocol(dataset: ImageDataset, trained: TrainedClassifier) -> dict[str, Any]:
    height, width, channels = dataset.image_shape
    factor = _shrinking(dataset.image_shape)
    names = {1: "grey", 3: "RGB", 4: "RGBA"}
    colour = "RGB, each channel by itself" if dataset.name == STACKED else names[channels]
    return {
        "features": "classifier: its last hidden layer before the ReLU",
        "version": VERSION,
        "weights": weights_hash(trained.weights),
        "resize": f"means of {factor}x{factor} pixels" if factor > 1 else "none",
        "input": f"uint8 {colour}",
        "trained_on": {
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "image_shape": [height, width, channels],
            "images": dataset.num_images,
            "classes": len(dataset.class_names),
        },
        "accuracy": None if trained.accuracy is None else round(trained.accuracy, 4),
        "accuracy_of": f"{trained.test_images} images never trained on",
    }


def make_network(image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Builds the untrained network; its initial weights are always the same.

    Convolutions and poolings down to 4 to 7 pixels, then a hidden layer. Images with an edge above
    64 are first averaged down by a whole factor.

    Returns:
        A model from images in [-1, 1], float32, shape (N, H, W, C), to the 128 features and the
        logits.
    """
    import keras

    layers, size = keras.layers, max(image_shape[:2])
    seeds = iter(range(_SEED, _SEED + 100))

    def initializer(scale: float) -> keras.initializers.Initializer:
        return keras.initializers.VarianceScaling(scale, seed=next(seeds))

    options = {"padding": "same", "dtype": "float32"}
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


def _compute(network: keras.Model, dataset: ImageDataset) -> Any:
    import tensorflow as tf

    shape = (_BATCH, *dataset.image_shape)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.uint8)])
    def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features, logits = network(scaled(images), training=False)
        return features, tf.nn.softmax(logits)

    if dataset.name != STACKED:
        return compute
    numbers = np.array([int(name) for name in dataset.class_names])
    height, width, _ = dataset.image_shape

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.uint8)])
    def compute_stacked(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        grey = tf.reshape(tf.transpose(images, [0, 3, 1, 2]), [-1, height, width, 1])
        features, logits = network(scaled(grey), training=False)
        red, green, blue = tf.unstack(
            tf.reshape(tf.nn.log_softmax(logits), [_BATCH, 3, 10]), axis=1
        )
        # Logarithms: the products of all chosen classes may be too small for float32.
        products = red[:, :, None, None] + green[:, None, :, None] + blue[:, None, None, :]
        chosen = tf.gather(tf.reshape(products, [-1, 1000]), numbers, axis=1)
        return tf.reshape(features, [-1, 3 * DIM]), tf.nn.softmax(chosen)

    return compute_stacked
