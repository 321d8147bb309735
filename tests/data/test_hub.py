"""Datasets of the Hugging Face Hub: folders of its kinds, and what happens without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import eagerly
from PIL import Image

import tfgan2
from tfgan2.data import absolute_name, load_dataset
from tfgan2.errors import DataWarning, UserError

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / "hf"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    monkeypatch.setattr("tfgan2.data.hub._TIMEOUT", 0.1)


def grey(value: int, edge: int = 8) -> Image.Image:
    return Image.fromarray(np.full((edge, edge), value, np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An "imagefolder": 6 cats and 6 dogs to train on, and 2 to test."""
    for split, count in (("train", 6), ("test", 1)):
        for number, name in enumerate(("cat", "dog")):
            path = tmp_path / "pets" / split / name
            path.mkdir(parents=True)
            for index in range(count):
                grey(20 * index + 10 * number).save(path / f"{index}.png")
    return tmp_path / "pets"


def test_a_folder_with_splits_and_classes(folder: Path) -> None:
    dataset = load_dataset(f"hf:{folder}")
    assert dataset.num_images == 12 and dataset.image_shape == (8, 8, 1)
    assert dataset.class_names == ("cat", "dog") and dataset.class_counts == (6, 6)
    images, labels = dataset.some(12)
    expected = {(20 * index + 10 * number, number) for index in range(6) for number in range(2)}
    values = np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()
    assert set(zip(values, labels.tolist(), strict=True)) == expected
    assert load_dataset(f"hf:{folder}", split="test").num_images == 2
    assert load_dataset(f"hf:{folder}", classes=["dog"]).class_names == ("dog",)


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_other_kinds_hold_the_same(folder: Path, tmp_path: Path, cache: str) -> None:
    """Parquet, as the Hub stores images, and what `save_to_disk` writes."""
    rows = datasets.load_dataset(str(folder), split="train")
    rows.save_to_disk(str(tmp_path / "saved"))
    datasets.DatasetDict(train=rows).save_to_disk(str(tmp_path / "dict"))
    (tmp_path / "parquet").mkdir()
    rows.to_parquet(str(tmp_path / "parquet" / "train.parquet"))
    wanted = load_dataset(f"hf:{folder}", cache=cache)
    for kind in ("saved", "dict", "parquet"):
        found = load_dataset(f"hf:{tmp_path / kind}", cache=cache)
        assert found.fingerprint == wanted.fingerprint
        for one, other in zip(found.some(12), wanted.some(12), strict=True):
            np.testing.assert_array_equal(one, other)


def test_splits_of_what_was_saved(folder: Path, tmp_path: Path) -> None:
    saved = datasets.load_dataset(str(folder))
    saved.save_to_disk(str(tmp_path / "dict"))
    saved["test"].save_to_disk(str(tmp_path / "one"))
    for name in ("dict", "one"):
        assert load_dataset(f"hf:{tmp_path / name}", split="test").num_images == 2
        with pytest.raises(UserError, match=r'Unknown split "tst".*; give another --split'):
            load_dataset(f"hf:{tmp_path / name}", split="tst[:1]")
    assert load_dataset(f"hf:{tmp_path / 'dict'}", split="train[:50%]+test").num_images == 8
    assert load_dataset(f"hf:{tmp_path / 'one'}").num_images == 2
    with pytest.raises(UserError, match="Unknown split"):
        load_dataset(f"hf:{tmp_path / 'one'}", split="train")


def test_labels_that_are_whole_numbers(tmp_path: Path) -> None:
    images = [grey(10 * number) for number in range(3)]
    for name, labels, classes in (
        ("classes", [2, 0, 2], ("0", "1", "2")),
        ("numbers", [7, 8, 9], ()),
        ("missing", [-1, 0, 1], ()),
    ):
        dataset = load_dataset(f"hf:{parquet(tmp_path / name, a=images, label=labels)}")
        assert dataset.class_names == classes
    assert load_dataset(f"hf:{tmp_path / 'classes'}").class_counts == (1, 0, 2)


@pytest.mark.parametrize("cache", ["memory", "stream"])
@pytest.mark.parametrize("form", ["hf", "hf-captions"])
def test_broken_images_are_left_out(tmp_path: Path, cache: str, form: str) -> None:
    images = [grey(100), {"bytes": b"no image", "path": None}, grey(200)]
    folder = parquet(tmp_path / "x", a=images, label=[0, 1, 1], text=["one", "two", "three"])
    if cache == "memory":
        with pytest.raises(UserError, match=r"cannot read 'image 1': .* --skip-unreadable"):
            load_dataset(f"{form}:{folder}", cache=cache)
    dataset = load_dataset(f"{form}:{folder}", cache=cache, skip_unreadable=True)
    assert (dataset.num_images, dataset.skipped) == (2, ("image 1",))
    found, labels = dataset.some(2)
    values = np.rint((found[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()
    assert sorted(values) == [100, 200]
    if form == "hf":
        assert dataset.class_counts == (1, 1)
        assert labels.tolist() == [value // 200 for value in values]


def test_copies_are_held_out_together(folder: Path) -> None:
    for index in range(4):
        grey(0).save(folder / "train" / "cat" / f"copy{index}.png")
    dataset = load_dataset(f"hf:{folder}", hold_out=3)
    assert dataset.held_out is not None
    assert dataset.held_out.num_images == 3 and dataset.num_images == 13
    assert (dataset.held_out.some(3)[0] > -1).all()  # not the five copies


def test_captions(tmp_path: Path) -> None:
    for name in "ab":
        grey(100).save(tmp_path / f"{name}.png")
    (tmp_path / "metadata.csv").write_text(
        "file_name,text\na.png,a red bird\nb.png,blue\n", "utf-8"
    )
    dataset = load_dataset(f"hf-captions:{tmp_path}")
    assert dataset.kind == "captions" and dataset.details["captions"] == ["a red bird", "blue"]
    images, words = dataset.some(2)
    assert images.shape == (2, 8, 8, 1) and words.shape == (2, 3)
    assert load_dataset(f"hf:{tmp_path}").class_names == ()


def test_a_run_trains_and_resumes(folder: Path, tmp_path: Path) -> None:
    options = {"hyperparameters": {"base_channels": 4}, "batch_size": 4, "quiet": True}
    options["xla"] = False
    with eagerly():
        run = tfgan2.fit("cgan", f"hf:{folder}", steps=1, out=tmp_path / "run", **options)
    assert run.config.data.name == f"hf:{folder}"
    folder.rename(tmp_path / "moved")
    with pytest.raises(UserError, match=r"no longer at .*give --dataset hf:NAME"):
        run.resume(steps=2, quiet=True)
    with eagerly():
        run.resume(steps=2, quiet=True, dataset=f"hf:{tmp_path / 'moved'}")
    assert run.step == 2


def test_paths_become_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert absolute_name("hf:pets") == f"hf:{folder}"
    assert absolute_name("hf:./pets") == f"hf:{folder}"
    assert absolute_name("hf:owner/pets") == "hf:owner/pets"


def parquet(path: Path, **columns: object) -> Path:
    kinds = {name: datasets.Image() for name in columns if name in ("image", "a", "b")}
    rows = datasets.Dataset.from_dict(columns)
    for name, feature in kinds.items():
        rows = rows.cast_column(name, feature)
    path.mkdir()
    rows.to_parquet(str(path / "train.parquet"))
    return path


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hf:", {}, "hf: lacks its name: give hf:NAME"),
        ("hf:/no/such", {}, "folder '/no/such' does not exist: give hf:DIR"),
        ("hf:{folder}", {"split": "tst"}, "cannot be loaded: Unknown split .*; give another --sp"),
        ("hf:{folder}", {"direction": "BtoA"}, "is not paired"),
        ("hf-captions:{folder}", {}, "has the columns image, label: captions must be called"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, name: str, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_dataset(name.format(folder=folder), **options)
    assert "\n" not in str(error.value)


def test_columns_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no images: choose"):
        load_dataset(f"hf:{parquet(tmp_path / 'none', text=['x'])}")
    two = parquet(tmp_path / "two", a=[grey(1)], b=[grey(2)])
    with pytest.raises(UserError, match=r"under several names \(a, b\): choose"):
        load_dataset(f"hf:{two}")
    gap = parquet(tmp_path / "gap", a=[grey(1), None])
    with pytest.raises(UserError, match=r"image 1 of hf:.* is missing: filter it out, or give --s"):
        load_dataset(f"hf:{gap}")
    with pytest.warns(DataWarning, match="left out 1 of 2 files"):
        assert load_dataset(f"hf:{gap}", skip_unreadable=True).skipped == ("image 1",)


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_other_images_are_not_decoded(tmp_path: Path, cache: str) -> None:
    broken = {"bytes": b"no image", "path": None}
    two = parquet(tmp_path / "two", image=[grey(1)], b=[broken])
    assert len(load_dataset(f"hf:{two}", cache=cache).some(1)) == 1


def test_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached, and no copy is here"):
        load_dataset("hf:owner/name")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UserError, match=r"needs the Python package 'datasets': install it"):
        load_dataset(f"hf:{folder}")
