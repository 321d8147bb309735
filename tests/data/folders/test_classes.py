"""What the names of a folder's subfolders mean: classes, or splits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_refused, fit
from PIL import Image

from tfgan2.data import load_dataset
from tfgan2.data.folders.classes import with_classes
from tfgan2.data.prepared import Index, pack
from tfgan2.data.request import Request
from tfgan2.errors import UserError
from tfgan2.runs import RunConfig


def write(*paths: Path, value: int = 99) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), value).save(path)


def values(dataset: object) -> list[int]:
    """The grey values of all images of a dataset of flat ones, sorted."""
    first = dataset.some(dataset.num_images)[0]
    return sorted(np.rint((first[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist())


@pytest.mark.parametrize(
    ("train", "test", "unused"),
    [("train", "test", "val"), ("Training", "TESTING", "valid"), ("train", "validation", "")],
)
def test_splits_with_classes(tmp_path: Path, train: str, test: str, unused: str) -> None:
    for number, part in enumerate(filter(None, (train, test, unused))):
        for label, name in enumerate(("cat", "dog")):
            for i in range(3):
                value = 100 * number + 50 * label + i
                write(tmp_path / part / name / "deeper" / f"{i}.png", value=value)
    dataset = load_dataset(f"folder:{tmp_path}", image_size=8, hold_out=1)
    assert dataset.class_names == dataset.held_out.class_names == ("cat", "dog")
    assert values(dataset) == [0, 1, 2, 50, 51, 52]
    assert values(dataset.held_out) == [100, 101, 102, 150, 151, 152]
    assert dataset.class_counts == (3, 3)
    [note] = dataset.notes
    assert f"{train!r} is trained on, {test!r} is held out" in note
    assert (f"{unused!r} is not used" in note) == bool(unused)
    images, labels = dataset.held_out.some(6)
    np.testing.assert_array_equal(images[:, 0, 0, 0] > 0, labels)
    dogs = load_dataset(f"folder:{tmp_path}", image_size=8, classes=["dog"])
    assert (values(dogs), values(dogs.held_out)) == ([50, 51, 52], [150, 151, 152])


def test_splits_without_classes(tmp_path: Path) -> None:
    for number, name in enumerate(("train/a.png", "train/b.png", "val/c.png")):
        write(tmp_path / name, value=100 * number)
    dataset = load_dataset(f"folder:{tmp_path}")
    assert (dataset.class_names, dataset.class_counts) == ((), ())
    assert (values(dataset), values(dataset.held_out)) == ([0, 100], [200])
    assert dataset.facts["held_out"] == 1


def test_a_split_that_equals_the_other_holds_nothing_out(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for i in range(3):
            write(tmp_path / part / "cat" / f"{i}.png", value=30 * i)
    dataset = load_dataset(f"folder:{tmp_path}", image_size=8)
    assert (values(dataset), dataset.held_out) == ([0, 30, 60], None)
    assert dataset.notes[1] == "all images to train on are also held out: nothing is held out"


def test_train_alone(tmp_path: Path) -> None:
    write(tmp_path / "train" / "cat" / "0.png")
    write(tmp_path / "train" / "dog" / "0.png", value=200)
    dataset = load_dataset(f"folder:{tmp_path}")
    assert (dataset.class_names, dataset.held_out) == (("cat", "dog"), None)
    assert load_dataset(f"folder:{tmp_path}", hold_out=1).held_out.num_images == 1


def test_trains_and_cars_are_classes(tmp_path: Path) -> None:
    write(*(tmp_path / name / "0.png" for name in ("train", "car", "test")))
    dataset = load_dataset(f"folder:{tmp_path}")
    assert dataset.class_names == ("car", "test", "train")
    assert dataset.notes == ()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("test/0.png val/0.png", "holds test and val but no train: add it"),
        ("train/0.png Train/0.png", "'Train' and 'train' in .* mean the same split"),
        ("train/0.png test/0.png x.png", "images beside them, such as 'x.png'"),
        ("train/a/0.png test/0.png", "'train' in .* has class folders and 'test' has none"),
        ("train/0.png test/a/0.png", "'test' in .* has class folders and 'train' has none"),
        ("train/a/0.png test/a/0.png train/b/0.png", "the class 'b' is in 'train' of .* not in"),
        ("train/a/0.png test/a/0.png test/c/0.png", "the class 'c' is in 'test' of .* not in"),
    ],
)
def test_splits_that_are_refused(tmp_path: Path, files: str, message: str) -> None:
    write(*(tmp_path / name for name in files.split()))
    with pytest.raises(UserError, match=message):
        load_dataset(f"folder:{tmp_path}")


def test_packs_keep_the_splits(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for number, name in enumerate(
        ("train/a/0.png", "train/b/1.png", "test/a/2.png", "test/b/3.png")
    ):
        write(root / f"{name}.png", value=60 * number)
    (root / "test" / "a" / "broken.png").write_bytes(b"")
    request = Request(f"folder:{root}", skip_unreadable=True)
    index, _ = pack(request, tmp_path / "x.json")
    assert (index.num_images, index.held_out) == (4, 2)
    dataset = load_dataset(f"prepared:{tmp_path / 'x.json'}", hold_out=1)
    assert (values(dataset), values(dataset.held_out)) == ([0, 60], [120, 180])
    assert "is held out" in dataset.notes[0]
    fields = json.loads((tmp_path / "x.json").read_text())
    assert Index.read(tmp_path / "x.json").to_json() == json.dumps(fields, indent=1) + "\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (b"caf\xe9", r"the folder 'caf\\xe9' in .*, a class, is not valid UTF-8: rename it"),
        (b"a\nb", r"the folder 'a\\nb' in .*, a class, has control characters: rename it"),
        ("é\x1b[31m".encode(), r"'é\\x1b\[31m' in .* has control characters"),
        ("a\u2028b".encode(), "has control characters"),
    ],
)
def test_names_of_classes_that_cannot_be_shown(tmp_path: Path, name: bytes, message: str) -> None:
    write(tmp_path / "dog" / "0.png", tmp_path / os.fsdecode(name) / "0.png")
    with pytest.raises(UserError, match=message):
        with_classes(tmp_path)
    with pytest.raises(UserError, match="rename it"):
        pack(Request(f"folder:{tmp_path}"), tmp_path / "x.json")


def test_names_of_classes_in_any_script(tmp_path: Path) -> None:
    names = sorted(["a b", "été", "क्ष", "می\u200cخواهم", "猫,犬", "a\xa0b"])
    write(*(tmp_path / name / "0.png" for name in names))
    assert load_dataset(f"folder:{tmp_path}").class_names == tuple(names)


def test_names_of_files_that_are_not_utf8(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / os.fsdecode(b"bilder-\xfc")
    write(*(root / os.fsdecode(b"caf\xe9%d.png" % i) for i in range(4)))
    (root / os.fsdecode(b"broken\xe9.png")).write_bytes(b"")
    words = f"dcgan --dataset folder:{root} --image-size 8 --batch-size 4 --steps 1 --no-xla"
    assert_refused(["fit", *words.split()], r"cannot read 'broken\udce9.png'", capsys)
    assert fit(tmp_path / "run", f"{words} --set base_channels=4 --skip-unreadable") == 0
    assert RunConfig.read(tmp_path / "run").dataset["skipped"] == ["broken\udce9.png"]
    pack(Request(f"folder:{root}", skip_unreadable=True), tmp_path / "x.json")
    assert load_dataset(f"prepared:{tmp_path / 'x.json'}").num_images == 4
