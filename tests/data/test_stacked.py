"""Three digits in one image, from an MNIST made on the spot."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from helpers import assert_parts_are_the_batch
from prepared_records import COUNT, prepare

from tfgan2.data import CATALOGUE, ImageDataset, load_dataset
from tfgan2.errors import UserError

SAMPLES = 128_000
STEP = 7


def digit_of(number: int) -> int:
    return number * 3 % 10


def picture(number: int, size: int) -> np.ndarray:
    """Noise of its own, and in the corner the number."""
    pixels = np.random.RandomState(number).randint(0, 256, (size, size, 1), np.uint8)
    pixels[0, 0] = STEP * number
    return pixels


def prepare_mnist(root: Path, size: int, names: tuple[str, ...] = tuple("0123456789")) -> Path:
    features = {
        "image": tfds.features.Image(shape=(size, size, 1), encoding_format="png"),
        "label": tfds.features.ClassLabel(names=names),
    }

    def example(number: int) -> dict:
        return {"image": picture(number, size), "label": digit_of(number) % len(names)}

    prepare(root, "mnist", features, example, "train test")
    return root


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_mnist(tmp_path_factory.mktemp("tfds"), 4)


def load(data_dir: Path, **options: object) -> ImageDataset:
    return load_dataset("stacked_mnist", data_dir=data_dir, **options)


def samples(dataset: ImageDataset, count: int, **options: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images, as uint8, and their labels."""
    images, labels = next(iter(dataset.batches(count, **options)))
    return np.rint((images.numpy() + 1) * 127.5).astype(np.uint8), labels.numpy()


def numbers(images: np.ndarray) -> np.ndarray:
    """Which images the channels are, shape (N, 3)."""
    return images[:, 0, 0] // STEP


def test_what_it_is(data_dir: Path) -> None:
    dataset, entry = load(data_dir), CATALOGUE["stacked_mnist"]
    assert dataset.name == "stacked_mnist"
    assert dataset.image_shape == (4, 4, 3)
    assert dataset.num_images == entry.num_images == SAMPLES
    assert dataset.class_names == tuple(f"{number:03d}" for number in range(1000))
    assert dataset.in_memory
    images, labels = dataset.batches(8).element_spec
    assert images == tf.TensorSpec((8, 4, 4, 3), tf.float32)
    assert labels == tf.TensorSpec((8,), tf.int32)


def test_the_channels_are_images_and_the_label_their_digits(data_dir: Path) -> None:
    images, labels = samples(load(data_dir), 2000)
    chosen = numbers(images)
    pictures = np.stack([picture(number, 4)[..., 0] for number in range(COUNT)])
    for channel in range(3):
        np.testing.assert_array_equal(images[..., channel], pictures[chosen[:, channel]])
    red, green, blue = digit_of(chosen.astype(int)).T
    np.testing.assert_array_equal(labels, 100 * red + 10 * green + blue)


def test_every_triple_is_equally_likely(data_dir: Path) -> None:
    images, labels = samples(load(data_dir), SAMPLES)
    chosen = numbers(images)
    assert len(np.unique(labels)) == 1000
    for channel in range(3):
        counts = np.bincount(chosen[:, channel], minlength=COUNT)
        deviation = np.sqrt(SAMPLES / COUNT * (1 - 1 / COUNT))
        assert np.abs(counts - SAMPLES / COUNT).max() < 4.5 * deviation
    correlation = np.corrcoef(chosen.T) - np.eye(3)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(SAMPLES)


def test_the_triples_never_change(data_dir: Path) -> None:
    """Runs must be comparable between versions and machines."""
    chosen = numbers(samples(load(data_dir), SAMPLES)[0])
    table = np.unique(chosen, axis=0, return_counts=True)
    text = " ".join(str(value) for part in table for value in part.ravel().tolist())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "9f4520cd66ccc224"


def test_every_epoch_is_another_permutation(data_dir: Path) -> None:
    dataset = load(data_dir, classes=["012", "345", "999"])
    count = dataset.num_images
    images, _ = samples(dataset, count)
    batches = dataset.batches(count - 1).take(3)  # batches cross the borders
    order = np.concatenate([batch.numpy() for batch, _ in batches])
    order = np.rint((order + 1) * 127.5).astype(np.uint8)
    first, second = order[:count], order[count : 2 * count]
    np.testing.assert_array_equal(first, images)
    assert not np.array_equal(first, second)
    for epoch in (first, second):
        assert sorted(map(bytes, epoch)) == sorted(map(bytes, images))


@pytest.mark.parametrize("batches_before", [1, 499, 500, 1200])
def test_start_goes_on_where_it_left_off(data_dir: Path, batches_before: int) -> None:
    straight = list(load(data_dir).batches(256, seed=3).skip(batches_before).take(2))
    resumed = list(load(data_dir).batches(256, seed=3, start=256 * batches_before).take(2))
    for (images, labels), (images_again, labels_again) in zip(straight, resumed, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(labels, labels_again)


def test_images_are_resized_before_they_are_stacked(data_dir: Path) -> None:
    images, labels = samples(load(data_dir, image_size=9), 500)
    assert images.shape == (500, 9, 9, 3)
    mnist = load_dataset("mnist", data_dir=data_dir, image_size=9)
    digits = {image.tobytes(): digit for image, digit in zip(*samples(mnist, COUNT), strict=True)}
    for image, label in zip(images, labels, strict=True):
        found = [digits[image[..., channel].tobytes()] for channel in range(3)]
        assert found == [label // 100, label // 10 % 10, label % 10]


def test_classes_are_kept_in_the_order_given(data_dir: Path) -> None:
    dataset = load(data_dir, classes=["777", "12"])  # by name, and by number
    assert dataset.class_names == ("777", "012")
    images, labels = samples(dataset, dataset.num_images)
    digits = digit_of(numbers(images).astype(int))
    assert {tuple(row) for row in digits[labels == 0]} == {(7, 7, 7)}
    assert {tuple(row) for row in digits[labels == 1]} == {(0, 1, 2)}
    _, all_labels = samples(load(data_dir), SAMPLES)
    assert dataset.num_images == np.isin(all_labels, [777, 12]).sum()


def test_splits(data_dir: Path) -> None:
    images, _ = samples(load(data_dir, split="train[:5]"), 2000)
    assert set(numbers(images).ravel()) == set(range(5))
    assert load(data_dir, split="test").num_images == SAMPLES


def test_the_fingerprint_tells_content_apart(data_dir: Path) -> None:
    prints = [
        load(data_dir).fingerprint,
        load(data_dir, split="test").fingerprint,
        load(data_dir, image_size=8).fingerprint,
        load(data_dir, classes=["1", "2"]).fingerprint,
        load(data_dir, classes=["2", "1"]).fingerprint,
    ]
    assert len(set(prints)) == 5
    # It is always in memory, in whatever way it was asked for.
    assert load(data_dir, cache="stream", channels=3).fingerprint == prints[0]


def test_the_images_are_held_once(tmp_path: Path) -> None:
    prepare_mnist(tmp_path, 28)
    tracemalloc.start()
    try:
        load(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SAMPLES * 28 * 28 * 3 / 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 1}, "dataset 'stacked_mnist' has a digit in each of 3 channels"),
        ({"channels": 4}, "leave --channels out"),
        ({"split": "tran"}, "unknown split 'tran' of dataset 'mnist': .*train, test"),
        ({"classes": ["1000"]}, "unknown class '1000'"),
        ({"classes": ["7", "007"]}, "class '007' is given twice"),
        ({"classes": ["999"], "split": "train[:1]"}, "holds no images of these classes"),
    ],
)
def test_what_is_refused(data_dir: Path, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load(data_dir, **options)
    assert "\n" not in str(caught.value)


def test_options_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    for options in ({"channels": 1}, {"classes": ["x"]}):
        with pytest.raises(UserError, match=r"channels|unknown class"):
            load(tmp_path / "none", **options)


def test_another_mnist(tmp_path: Path) -> None:
    prepare_mnist(tmp_path, 4, ("even", "odd"))
    with pytest.raises(UserError, match="needs an mnist with labels from 0 to 9"):
        load(tmp_path)


def test_progress_is_told(data_dir: Path) -> None:
    told: list[tuple[str, int, int]] = []
    load(data_dir, progress=lambda *facts: told.append(facts))
    assert told[-1] == ("reading mnist", COUNT, COUNT)


def test_the_parts_of_all_workers_are_the_batch(data_dir: Path) -> None:
    assert_parts_are_the_batch(load(data_dir))
