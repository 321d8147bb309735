"""Datasets of tensorflow-datasets, made on the spot so that no network is needed."""

from __future__ import annotations

import errno
import io
import logging
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from grey_images import values
from helpers import assert_parts_are_the_batch, take
from PIL import Image
from prepared_records import COUNT, PER_SHARD, prepare

from tfgan2 import remote
from tfgan2.data import load_dataset, records
from tfgan2.errors import UserError


def picture(number: int, shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    return np.full(shape, number * (257 if dtype is np.uint16 else 1), dtype)


def labelled(shape: tuple, dtype: type = np.uint8) -> dict:
    return {
        "image": tfds.features.Image(shape=shape, dtype=dtype, encoding_format="png"),
        "label": tfds.features.ClassLabel(names=["even", "odd"]),
        "note": tfds.features.Text(),
    }


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Image i is filled with i; its label is i % 2."""
    root = tmp_path_factory.mktemp("tfds")

    def of(shape: object, dtype: type = np.uint8) -> object:
        def example(number: int) -> dict:
            edges = shape(number) if callable(shape) else shape
            return {"image": picture(number, edges, dtype), "label": number % 2, "note": "x"}

        return example

    prepare(root, "tiny", labelled((8, 8, 1)), of((8, 8, 1)), "train test")
    prepare(root, "varied", labelled((None, None, 3)), of(lambda i: (20 + i, 40 - i, 3)))
    prepare(root, "deep", labelled((8, 8, 1), np.uint16), of((8, 8, 1), np.uint16))
    prepare(root, "oblong", labelled((8, 16, 3)), of((8, 16, 3)))
    prepare(
        root,
        "unlabelled",
        labelled((8, 8, 1)),
        lambda i: {"image": picture(i, (8, 8, 1)), "label": -1, "note": "x"},
    )
    prepare(
        root,
        "half_labelled",
        labelled((8, 8, 1)),
        lambda i: {"image": picture(i, (8, 8, 1)), "label": i % 2 if i < 30 else -1, "note": "x"},
    )
    image = tfds.features.Image
    prepare(
        root,
        "other_names",
        {"photo": image(shape=(8, 8, 3)), "kind": tfds.features.ClassLabel(num_classes=2)},
        lambda i: {"photo": picture(i, (8, 8, 3)), "kind": i % 2},
    )
    prepare(
        root,
        "pairs",
        {"left": image(shape=(8, 8, 3)), "right": image(shape=(8, 8, 3))},
        lambda i: {"left": picture(i, (8, 8, 3)), "right": picture(i, (8, 8, 3))},
    )
    prepare(root, "words", {"text": tfds.features.Text()}, lambda i: {"text": "x"})
    return root


@pytest.mark.parametrize("cache", ["memory", "stream"])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("tiny", (8, 8, 1)),
        ("deep", (8, 8, 1)),
        ("varied", (64, 64, 3)),
        ("oblong", (64, 64, 3)),
        ("other_names", (8, 8, 3)),
    ],
)
def test_epochs(data_dir: Path, name: str, shape: tuple, cache: str) -> None:
    dataset = load_dataset(name, data_dir=data_dir, cache=cache)
    assert dataset.image_shape == shape
    assert dataset.num_images == COUNT
    assert dataset.class_names == (("0", "1") if name == "other_names" else ("even", "odd"))
    assert dataset.in_memory == (cache == "memory")
    images, labels = dataset.batches(8).element_spec
    assert images == tf.TensorSpec((8, *shape), tf.float32)
    assert labels == tf.TensorSpec((8,), tf.int32)
    assert dataset.batches(8).cardinality() == tf.data.INFINITE_CARDINALITY
    seen: list[int] = []
    for images, labels in take(dataset, 8, 9):  # two epochs; a batch crosses their border
        assert np.ptp(images, axis=(1, 2, 3)).max() == 0
        np.testing.assert_array_equal(values(images) % 2, labels)
        seen += values(images).tolist()
    first, second = seen[:COUNT], seen[COUNT:]
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert first != second
    assert first != sorted(first)


@pytest.mark.parametrize("image_size", [8, 12])  # decoded by TensorFlow, and by Pillow
@pytest.mark.parametrize("batches_before", [1, 4, 5, 11])
def test_a_stream_goes_on_where_it_left_off(
    data_dir: Path, batches_before: int, image_size: int
) -> None:
    options = {"data_dir": data_dir, "cache": "stream", "image_size": image_size}
    tf.random.set_seed(1)
    straight = take(load_dataset("tiny", **options), 8, batches_before + 3, seed=2)
    tf.random.set_seed(2)
    resumed = take(load_dataset("tiny", **options), 8, 3, seed=2, start=8 * batches_before)
    for one, other in zip(straight[batches_before:], resumed, strict=True):
        for array, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, same)


def test_a_small_shuffle_buffer_loses_nothing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "SHUFFLE_BYTES", 300)  # a few records
    dataset = load_dataset("tiny", data_dir=data_dir, cache="stream")
    [[first, _], [second, _]] = take(dataset, COUNT, 2)
    assert sorted(values(first)) == sorted(values(second)) == list(range(COUNT))
    [[resumed, _]] = take(dataset, COUNT, 1, start=COUNT)
    np.testing.assert_array_equal(resumed, second)


def test_the_seed_decides(data_dir: Path) -> None:
    dataset = load_dataset("tiny", data_dir=data_dir, cache="stream")
    orders = [tuple(values(take(dataset, COUNT, 1, seed=s)[0][0])) for s in (0, 1, -1, 0)]
    assert orders[0] == orders[3]
    assert len(set(orders)) == 3


def test_memory_and_stream_give_the_same_images(data_dir: Path) -> None:
    def sorted_images(cache: str) -> list[bytes]:
        dataset = load_dataset("varied", data_dir=data_dir, cache=cache, image_size=16)
        return sorted(image.tobytes() for image in take(dataset, COUNT, 1)[0][0])

    assert sorted_images("memory") == sorted_images("stream")


def test_memory_and_stream_have_different_orders(data_dir: Path) -> None:
    prints = {load_dataset("tiny", data_dir=data_dir, cache=c).fingerprint for c in
              ("memory", "stream")}  # fmt: skip
    assert len(prints) == 2


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_some_classes(data_dir: Path, cache: str) -> None:
    dataset = load_dataset("tiny", data_dir=data_dir, cache=cache, classes=["odd"])
    assert dataset.class_names == ("odd",)
    assert dataset.num_images == COUNT // 2
    [[images, labels]] = take(dataset, COUNT // 2, 1)
    assert sorted(values(images)) == list(range(1, COUNT, 2))
    assert set(labels) == {0}
    swapped = load_dataset("tiny", data_dir=data_dir, cache=cache, classes=["odd", "0"])
    [[images, labels]] = take(swapped, COUNT, 1)
    np.testing.assert_array_equal(values(images) % 2, 1 - labels)


def test_negative_labels_are_none(data_dir: Path) -> None:
    dataset = load_dataset("unlabelled", data_dir=data_dir)
    assert dataset.class_names == ()
    assert dataset.batches(2).element_spec == tf.TensorSpec((2, 8, 8, 1), tf.float32)
    streamed = load_dataset("unlabelled", data_dir=data_dir, cache="stream")
    assert len(take(streamed, 4, 2)[1]) == 1
    with pytest.raises(UserError, match="dataset 'unlabelled' has no labels"):
        load_dataset("unlabelled", data_dir=data_dir, classes=["even"])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(builder: object) -> None:
        raise OSError(number, "the reason")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", refuse)
    line = rf"'cifar100' cannot be written to {tmp_path}.*: the reason: give --data-dir"
    with pytest.raises(UserError, match=line):
        load_dataset("cifar100", data_dir=tmp_path)


@pytest.mark.parametrize("classes", [None, ["odd"]])
def test_labels_that_are_missing_in_part_are_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, classes: list[str] | None
) -> None:
    monkeypatch.setattr(records, "_FIRST", 4)
    with pytest.raises(UserError, match=r"6 of 36 images of split 'train' .* have no label"):
        load_dataset("half_labelled", data_dir=data_dir, classes=classes)


def test_splits(data_dir: Path) -> None:
    def count(split: str) -> int:
        return load_dataset("tiny", data_dir=data_dir, split=split).num_images

    assert count("test") == COUNT
    assert count("train+test") == 2 * COUNT
    assert count("train[:25%]") == COUNT // 4
    assert values(
        take(load_dataset("tiny", data_dir=data_dir, split="train[:3]"), 3, 1)[0][0]
    ).max() < PER_SHARD  # fmt: skip


def test_size_and_channels(data_dir: Path) -> None:
    assert load_dataset("tiny", data_dir=data_dir, image_size=20).image_shape == (20, 20, 1)
    coloured = load_dataset("tiny", data_dir=data_dir, channels=3)
    assert coloured.image_shape == (8, 8, 3)
    assert sorted(values(take(coloured, COUNT, 1)[0][0])) == list(range(COUNT))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tiny", {"split": "tran"}, "unknown split 'tran' of dataset 'tiny': .*train, test"),
        ("tiny", {"split": "train[:x"}, "unknown split"),
        ("tiny", {"split": "train[:0]"}, "holds no images"),
        ("tiny", {"classes": ["evn"]}, "unknown class 'evn': did you mean 'even'"),
        ("tiny", {"classes": ["odd", "1"]}, "class 'odd' is given twice"),
        ("pairs", {}, r"images under several names \(left, right\)"),
        ("words", {}, "dataset 'words' holds no images"),
        ("mnits", {}, "unknown dataset 'mnits': did you mean 'mnist'"),
        ("digit", {}, "unknown dataset 'digit': did you mean 'digits'"),
        ("zzzzzzzz", {}, "unknown dataset 'zzzzzzzz': .*folder:PATH"),
        ("./pictures", {}, "no such file or folder here; give folder:PATH"),
        ("/pictures", {}, "no such file or folder here; give folder:PATH"),
        ("emnist/leters", {}, "unknown configuration of 'emnist' 'leters': .*'letters'"),
        ("mnist/small", {}, "dataset 'mnist' has no configurations"),
        ("imdb_reviews", {}, "dataset 'imdb_reviews' holds no images"),
    ],
)
def test_what_is_refused(data_dir: Path, name: str, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_dataset(name, data_dir=data_dir, **options)
    assert "\n" not in str(caught.value)


def test_a_data_dir_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist: create it, or give --data-dir"):
        load_dataset("mnist", data_dir=tmp_path / "none")


def test_broken_files_are_told(data_dir: Path, tmp_path: Path) -> None:
    prepare(
        tmp_path,
        "tiny",
        labelled((8, 8, 1)),
        lambda i: {"image": picture(i, (8, 8, 1)), "label": 0, "note": "x"},
    )
    path = next((tmp_path / "tiny" / "1.0.0").glob("*.tfrecord-00000*"))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UserError, match=r"cannot be read: .*prepare it again") as caught:
        load_dataset("tiny", data_dir=tmp_path)
    assert "\n" not in str(caught.value)


class HTTPSError(Exception):
    """Reads like what requests raises without a network."""

    def __str__(self) -> str:
        return (
            "HTTPSConnectionPool(host='example.org', port=443): Max retries exceeded with url: /x\n"
            "(Caused by NameResolutionError(\"Failed to resolve 'example.org'\"))"
        )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            HTTPSError(),
            "dataset 'cifar100' could not be downloaded: example.org cannot be reached; prepare it "
            "on a machine with a network with .*tfds.load.*--data-dir",
        ),
        (AssertionError("Manual\ndownload needed"), "downloaded: Manual download needed; "),
        (ModuleNotFoundError("x", name="apache_beam"), "needs the Python package 'apache_beam'"),
    ],
)
def test_a_download_that_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
    error: Exception,
    message: str,
) -> None:
    from tensorflow_datasets.core.download import downloader

    before = downloader.MAX_RETRIES

    def fail(builder: object) -> None:
        assert before > downloader.MAX_RETRIES  # with all of them it takes minutes to fail
        print("Downloading and preparing dataset …")
        logging.getLogger("urllib3.connectionpool").warning("Retrying …")
        raise error

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(UserError, match=message) as caught:
        load_dataset("cifar100", data_dir=tmp_path)
    assert "\n" not in str(caught.value)
    assert before == downloader.MAX_RETRIES
    shown = capfd.readouterr()
    assert "Downloading" not in shown.out
    assert "Retrying" not in shown.err


def test_a_jpeg_inside_is_turned_upright(tmp_path: Path) -> None:
    """What Pillow decodes follows the same rules as in folders."""
    upright = np.zeros((16, 16, 3), np.uint8)
    upright[:8] = 250
    exif = Image.Exif()
    exif[0x0112] = 3
    buffer = io.BytesIO()
    Image.fromarray(upright[::-1]).save(buffer, "JPEG", quality=100, exif=exif)

    def example(number: int) -> dict:
        return {"image": io.BytesIO(buffer.getvalue())}

    shape = (None, None, 3)
    prepare(tmp_path, "turned", {"image": tfds.features.Image(shape=shape)}, example)
    [[images]] = take(load_dataset("turned", data_dir=tmp_path, image_size=16), 1, 1)
    assert images[0, :8].min() > 0.9
    assert images[0, 8:].max() < -0.9


def grey(dataset: object) -> list[int]:
    """The grey values of all images of a dataset of flat ones."""
    images, *_ = dataset.some(dataset.num_images)
    return sorted(np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(int))


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_images_are_held_out(data_dir: Path, cache: str) -> None:
    def load(name: str, **options: object) -> object:
        return load_dataset(name, data_dir=data_dir, cache=cache, **options)

    tiny = load("tiny", hold_out=5)  # it has a split for testing: none is lost for training
    assert tiny.num_images == COUNT and grey(tiny.held_out) == list(range(5))
    tiny = load("tiny", hold_out=5, split="test")
    assert tiny.num_images == COUNT - 5
    assert grey(tiny.held_out) == list(range(COUNT - 5, COUNT))
    alone = load("deep", hold_out=7)
    assert grey(alone) == list(range(COUNT - 7))
    assert grey(alone.held_out) == list(range(COUNT - 7, COUNT))
    with pytest.raises(UserError, match="no images can be held out"):
        load("tiny", hold_out=5, split="train[:50%]")
    with pytest.raises(UserError, match="36 samples, of which 36 cannot be held out"):
        load("deep", hold_out=COUNT)


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_images_of_some_classes_are_held_out(data_dir: Path, cache: str) -> None:
    """So many of the classes asked for, not so many of all of which some are dropped."""

    def load(name: str, count: int) -> object:
        return load_dataset(name, data_dir=data_dir, cache=cache, classes=["odd"], hold_out=count)

    tiny = load("tiny", 5)
    assert grey(tiny) == list(range(1, COUNT, 2)) and grey(tiny.held_out) == [1, 3, 5, 7, 9]
    deep = load("deep", 4)  # it has no other split
    assert grey(deep) == list(range(1, COUNT - 8, 2))
    assert grey(deep.held_out) == list(range(COUNT - 7, COUNT, 2))
    with pytest.raises(UserError, match=f"has {COUNT // 2} samples, of which {COUNT // 2} cannot"):
        load("deep", COUNT // 2)


def test_the_fingerprint_tells_what_is_held_out(data_dir: Path) -> None:
    prints = {
        load_dataset("tiny", data_dir=data_dir, hold_out=count).fingerprint for count in (0, 4, 5)
    }
    assert len(prints) == 3  # though all three train on the same images


def test_a_version_is_no_kind_of_dataset(data_dir: Path) -> None:
    dataset = load_dataset("tiny:1.0.0", data_dir=data_dir, classes=["odd"])
    assert dataset.class_names == ("odd",) and dataset.num_images == COUNT // 2


@pytest.mark.slow
def test_the_unpaired_datasets_of_the_cyclegan_paper(tmp_path: Path) -> None:
    features = {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "label": tfds.features.ClassLabel(names=["A", "B"]),
    }
    prepare(
        tmp_path,
        "cycle_gan/horse2zebra",
        features,
        lambda i: {"image": picture(2 * i, (9, 9, 3)), "label": 0},
        "trainA trainB testA testB",
        version="3.0.0",
    )
    dataset = load_dataset("cycle_gan/horse2zebra", data_dir=tmp_path, image_size=8)
    assert dataset.kind == "unpaired" and dataset.image_shape == (8, 8, 3)
    assert dataset.facts["input_shape"] == [8, 8, 3]
    assert dataset.num_images == dataset.held_out.num_images == COUNT
    a, b = dataset.some(4)
    assert a.shape == b.shape == (4, 8, 8, 3)
    with pytest.raises(UserError, match="has no splits: leave --split out"):
        load_dataset("cycle_gan/horse2zebra", data_dir=tmp_path, split="trainA")


def test_a_remote_data_dir_reaches_tensorflow_datasets(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unspoilt: of gs://x a path of this machine would be gs:/x."""
    from tensorflow_datasets.core import read_only_builder

    here, asked = data_dir, []
    find = read_only_builder.builder_from_files

    def found(name: str, data_dir: object) -> object:
        asked.append(data_dir)
        return find(name, data_dir=here)

    monkeypatch.setattr(remote, "check", lambda place: None)
    monkeypatch.setattr(read_only_builder, "builder_from_files", found)
    assert load_dataset("tiny", data_dir="gs://bucket/data").num_images == COUNT
    assert asked == ["gs://bucket/data"]


@pytest.mark.parametrize("name", ["tiny", "varied"])  # decoded by TensorFlow, and by Pillow
def test_the_parts_of_all_workers_are_the_batch(data_dir: Path, name: str) -> None:
    dataset = load_dataset(name, data_dir=data_dir, cache="stream", image_size=8)
    assert_parts_are_the_batch(dataset)
