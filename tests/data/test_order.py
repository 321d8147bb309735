"""The order of samples, and the two embedded sets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL, assert_refused, eagerly
from PIL import Image

from tfgan2 import cli
from tfgan2.data import CATALOGUE, load_dataset
from tfgan2.data.dataset import ImageDataset, Order
from tfgan2.data.request import Request
from tfgan2.data.sources import empty_images, memory_source, shuffled_indices
from tfgan2.errors import UserError
from tfgan2.evaluation.samples import RealSamples

COUNT = 10


def numbered(count: int = COUNT, labels: bool = True) -> ImageDataset:
    """Image i is filled with i, its label is i + 100."""
    images = np.broadcast_to(
        np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 1)
    )
    source = memory_source(np.ascontiguousarray(images), np.arange(count) + 100 if labels else None)
    names = tuple("abc") if labels else ()
    return ImageDataset(source, name="n", image_shape=(4, 4, 1), class_names=names, content="n")


def numbers(dataset: ImageDataset, batch_size: int, count: int, **options: int) -> list[int]:
    """Which images the first batches hold."""
    found: list[int] = []
    for images, labels in dataset.batches(batch_size, **options).take(count):
        values = np.rint((images.numpy()[:, 0, 0, 0] + 1) * 127.5).astype(int)
        np.testing.assert_array_equal(values + 100, labels)  # labels travel with their images
        found += values.tolist()
    return found


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, tfgan2.data; "
        "print([m for m in ('tensorflow', 'tensorflow_datasets', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_epoch_is_another_permutation() -> None:
    order = np.array(numbers(numbered(), 4, 25)).reshape(10, COUNT)  # batches cross the borders
    for epoch in order:
        assert sorted(epoch) == list(range(COUNT))
    assert len({tuple(epoch) for epoch in order}) == 10


def test_the_seed_alone_decides() -> None:
    dataset = numbered()
    tf.random.set_seed(1)
    first = numbers(dataset, 5, 4, seed=7)
    tf.random.set_seed(2)
    assert numbers(numbered(), 5, 4, seed=7) == first
    assert numbers(dataset, 2, 10, seed=7) == first  # whatever the batch
    for other in (8, -7, 7 + 2**32):
        assert numbers(dataset, 5, 4, seed=other) != first


@pytest.mark.parametrize("batches_before", [1, 2, 3, 7, 1000])
def test_start_goes_on_where_it_left_off(batches_before: int) -> None:
    straight = list(numbered().batches(4, seed=3).skip(batches_before).take(4))
    resumed = list(numbered().batches(4, seed=3, start=4 * batches_before).take(4))
    for (images, labels), (images_again, labels_again) in zip(straight, resumed, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(labels, labels_again)


def test_every_place_is_equally_likely() -> None:
    epochs = 500
    indices = next(iter(shuffled_indices(COUNT, Order(COUNT * epochs)))).numpy()
    order = indices.reshape(epochs, COUNT)
    share = np.stack([np.mean(order == index, axis=0) for index in range(COUNT)])
    deviations = (share - 1 / COUNT) / np.sqrt(1 / COUNT * (1 - 1 / COUNT) / epochs)
    assert np.sqrt(np.mean(deviations**2)) < 1.35  # 1.5 with keys that are not mixed
    assert np.abs(deviations).max() < 4.5


def test_what_a_batch_is() -> None:
    images, labels = numbered().batches(4).element_spec
    assert images == tf.TensorSpec((4, 4, 4, 1), tf.float32)
    assert labels == tf.TensorSpec((4,), tf.int32)
    unlabelled = numbered(labels=False).batches(4)
    assert unlabelled.element_spec == tf.TensorSpec((4, 4, 4, 1), tf.float32)
    assert unlabelled.cardinality() == tf.data.INFINITE_CARDINALITY


def test_images_are_not_copied() -> None:
    images = empty_images((3, 4, 4, 1))
    images[:] = 7
    source = memory_source(images, None)
    images[:] = 9  # not allowed; shows here that the memory is shared
    batch = next(iter(source.batches(Order(3))))
    assert set(batch.numpy().ravel()) == {9}


def test_images_beyond_the_memory() -> None:
    with pytest.raises(UserError, match=r"need 1,152,921,504\.6 GB: give --cache stream"):
        empty_images((2**30, 2**15, 2**15, 1))


def test_the_range() -> None:
    images = np.array([0, 51, 255], np.uint8).repeat(16).reshape(3, 4, 4, 1)
    dataset = ImageDataset(
        memory_source(images, None), name="x", image_shape=(4, 4, 1), class_names=(), content=0
    )
    batch = next(iter(dataset.batches(3))).numpy()
    np.testing.assert_allclose(np.unique(batch), [-1, -0.6, 1], atol=1e-7)
    assert batch.min() == -1
    assert batch.max() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"batch_size": 128},
            "dataset has 10 images, fewer than a batch of 128: give --batch-size 10 or less",
        ),
        ({"batch_size": 0}, "a batch of 0 images is not possible"),
    ],
)
def test_impossible_batches(options: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        numbered().batches(**options)


def test_several_batches_for_a_step() -> None:
    numbered().check_batch_size(2, 5)
    message = "fewer than the 5 batches of 3 that a step takes: give --batch-size 2 or less"
    with pytest.raises(UserError, match=message):
        numbered().check_batch_size(3, 5)


def test_a_negative_start() -> None:
    with pytest.raises(ValueError, match="start"):
        numbered().batches(2, start=-1)


# --- the embedded sets ---------------------------------------------------------------------------


def test_digits() -> None:
    dataset = load_dataset("digits")
    assert dataset.image_shape == (16, 16, 1)
    assert dataset.num_images == 1797
    assert dataset.class_names == tuple("0123456789")
    assert dataset.in_memory
    assert dataset.skipped == ()
    assert dataset.name == "digits"
    images, labels = next(iter(dataset.batches(1797)))
    assert images.numpy().min() == -1
    assert images.numpy().max() == 1
    # A zero has a hole, a one has none.
    centre = images.numpy()[:, 7:9, 7:9, 0].mean(axis=(1, 2))
    assert centre[labels.numpy() == 0].mean() < -0.8
    assert centre[labels.numpy() == 1].mean() > 0.2


def test_digits_at_their_own_size_are_exact() -> None:
    from sklearn.datasets import load_digits

    dataset = load_dataset("digits", image_size=8)
    images, _ = next(iter(dataset.batches(1797)))
    ours = np.sort(np.rint((images.numpy() + 1) * 8).reshape(1797, 64).sum(axis=1))
    np.testing.assert_array_equal(ours, np.sort(load_digits().data.sum(axis=1)))


def test_faces() -> None:
    dataset = load_dataset("faces", channels=3)
    assert (dataset.num_images, dataset.image_shape) == (100, (24, 24, 3))
    assert dataset.class_names == ()
    batch = next(iter(dataset.batches(100))).numpy()
    np.testing.assert_array_equal(batch[..., 0], batch[..., 2])
    assert batch.std() > 0.2


def test_classes_are_kept_in_the_order_given() -> None:
    everything = load_dataset("digits", image_size=8)
    some = load_dataset("digits", image_size=8, classes=["7", "2"])
    assert some.class_names == ("7", "2")
    images, labels = next(iter(some.batches(some.num_images)))
    all_images, all_labels = next(iter(everything.batches(1797)))
    for new, old in ((0, 7), (1, 2)):
        ours = images.numpy()[labels.numpy() == new]
        theirs = all_images.numpy()[all_labels.numpy() == old]
        assert sorted(i.tobytes() for i in ours) == sorted(i.tobytes() for i in theirs)


def test_classes_by_name_and_number() -> None:
    names, labels = Request("x", classes=["2", "cat"]).choose_classes(["cat", "dog", "eel"])
    assert names == ("eel", "cat")
    assert labels.tolist() == [1, -1, 0]
    assert Request("x", classes="2, cat").classes == ["2", "cat"]
    names, labels = Request("x", classes=["1"]).choose_classes(
        ["1", "0"]
    )  # a name goes before a number
    assert names == ("1",)
    assert labels.tolist() == [0, -1]
    names, labels = Request("x").choose_classes(["a", "b"])
    assert (names, labels.tolist()) == (("a", "b"), [0, 1])


def test_the_fingerprint_tells_content_apart() -> None:
    prints = [
        load_dataset("digits").fingerprint,
        load_dataset("digits", image_size=8).fingerprint,
        load_dataset("digits", classes=["1", "2"]).fingerprint,
        load_dataset("digits", classes=["2", "1"]).fingerprint,
        load_dataset("faces").fingerprint,
    ]
    assert len(set(prints)) == 5
    assert load_dataset("digits").fingerprint == prints[0]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digits", {"image_size": 3}, "image_size must be from 4 to 1024, not 3"),
        ("digits", {"image_size": 1025}, "image_size must be .*, not 1025"),
        ("digits", {"image_size": 8.0}, "image_size must be a number of pixels, or a height and"),
        ("digits", {"channels": 2}, "channels must be one of 1, 3, 4, not 2"),
        ("digits", {"cache": "disk"}, "unknown cache 'disk': choose from auto, memory, stream"),
        ("digits", {"split": "test"}, "dataset 'digits' has no splits"),
        ("digits", {"classes": ["1", "10"]}, "unknown class '10': did you mean"),
        ("digits", {"classes": ["x"]}, "unknown class 'x': choose from 0, 1"),
        ("digits", {"classes": ["1", "1"]}, "class '1' is given twice"),
        ("digits", {"classes": []}, "no classes given"),
        ("faces", {"classes": ["1"]}, "dataset 'faces' has no labels"),
    ],
)
def test_what_is_refused(name: str, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_dataset(name, **options)
    assert "\n" not in str(caught.value)


def test_the_catalogue() -> None:
    assert {"digits", "faces", "folder:PATH", "mnist", "cifar10"} <= set(CATALOGUE)
    for name in ("digits", "faces"):
        dataset, entry = load_dataset(name), CATALOGUE[name]
        assert entry.num_images == dataset.num_images
        assert entry.source == "built in"


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    load_dataset("faces", progress=lambda *facts: told.append(facts))
    assert told[-1][1:] == (100, 100)


# --- balanced classes ----------------------------------------------------------------------------

SIZES = (10, 3, 1)
LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], SIZES)).astype(np.int32)


def balanced(count: int, **order: int) -> np.ndarray:
    """The first `count` numbers of samples, drawn evenly."""
    drawn = shuffled_indices(len(LABELS), Order(6, balance=True, **order), labels=LABELS)
    return np.concatenate([batch.numpy() for batch in drawn.take(count // 6)])


@pytest.mark.slow
def test_balanced_classes_are_drawn_equally_often() -> None:
    numbers = balanced(1800, seed=3)
    blocks = LABELS[numbers].reshape(-1, 3)
    np.testing.assert_array_equal(np.sort(blocks, axis=1), [[0, 1, 2]] * 600)
    assert len(np.unique(blocks, axis=0)) == 6  # in any order
    for label, size in enumerate(SIZES):
        epochs = numbers[LABELS[numbers] == label].reshape(-1, size)
        members = np.flatnonzero(label == LABELS)
        np.testing.assert_array_equal(np.sort(epochs, axis=1), [members] * len(epochs))
        assert len(np.unique(epochs, axis=0)) > min(3, size - 1)
    assert not np.array_equal(numbers, balanced(1800, seed=4))


def test_a_balanced_order_goes_on_anywhere() -> None:
    np.testing.assert_array_equal(balanced(60, seed=5)[30:], balanced(30, seed=5, start=30))


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_a_balanced_folder(tmp_path: Path, cache: str) -> None:
    for name, count in (("many", 9), ("few", 3)):
        (tmp_path / name).mkdir()
        for index in range(count):
            level = 10 * index + (100 if name == "few" else 0)
            Image.new("L", (8, 8), level).save(tmp_path / name / f"{index}.png")
    options = {"image_size": 8, "cache": cache}
    dataset = load_dataset(f"folder:{tmp_path}", balance=True, **options)
    assert dataset.balance and dataset.num_images == 12
    (images, labels), *_ = dataset.batches(6, seed=1).take(1)
    assert np.bincount(labels).tolist() == [3, 3]
    assert ((images.numpy().mean(axis=(1, 2, 3)) > -0.3) == (labels.numpy() == 0)).all()
    plain = load_dataset(f"folder:{tmp_path}", **options)
    assert dataset.fingerprint != plain.fingerprint
    reals, own = RealSamples(dataset), RealSamples(plain)
    assert reals.protocol == own.protocol and reals.content == own.content


def test_balance_needs_classes_and_numbers() -> None:
    with pytest.raises(UserError, match="has no labels"):
        load_dataset("faces", balance=True)


def test_balance_and_packing_need_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"--dataset digits --balance --set packing=2 {SMALL} --steps 1 --out {tmp_path}"
    line = "by which it could tell real ones: leave --balance out, or give --set packing=1"
    assert_refused(["fit", "infogan", *words.split()], line, capsys)
    with eagerly():
        assert cli.run(["fit", "cgan", *words.split()]) == 0
