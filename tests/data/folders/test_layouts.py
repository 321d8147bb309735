"""The sides and splits that names of folders and files tell."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tfgan2.data.folders import layouts
from tfgan2.errors import UserError


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def pairs(root: Path) -> list[tuple[str, str]]:
    training, _, _ = layouts.in_splits(layouts.in_one_folder(root), root)
    return [(a.path, b.path) for a, b in layouts.match(training)]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("A/{}.png", "B/{}.png"),
        ("a/{}.jpg", "b/{}.PNG"),
        ("trainA/{}.png", "trainB/{}.png"),
        ("train_A/{}.png", "train_B/{}.png"),
        ("A/train/{}.png", "B/train/{}.png"),
        ("train/input/{}.png", "train/target/{}.png"),
        ("Train/Inputs/{}.png", "Train/Targets/{}.png"),
        ("images/{}.jpg", "masks/{}.png"),
        ("imgs/{}.jpg", "labels/{}.png"),
        ("images/training/{}.jpg", "annotations/training/{}.png"),
        ("image/img_{}.jpg", "mask/mask_{}.png"),
        ("images/{}.jpg", "masks/{}_mask.png"),
        ("A/{}_A.png", "B/{}_B.png"),
        ("train/{}.jpg", "train_masks/{}_mask.gif"),
        ("{}.jpg", "masks/{}.png"),
        ("{}_A.png", "{}_B.png"),
        ("Train/{}-input.png", "Train/{}-target.jpg"),
        ("input_{}.png", "target_{}.png"),
        ("deep/{}.tif", "deep/{}_mask.tif"),
        ("{}/input.png", "{}/output.png"),
        ("source/{}.png", "target/{}.png"),
        ("x_train/{}.png", "y_train/{}.png"),
        ("city/lr/{}.png", "city/hr/{}.png"),
        ("sets/images/A/{}.png", "sets/images/B/{}.png"),
        ("input/a/{}.png", "target/a/{}.png"),
        ("training_set/{}_sat.jpg", "training_set/{}_mask.png"),
        ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
    ],
)
def test_layouts_of_pairs(tmp_path: Path, a: str, b: str) -> None:
    names = ["cat", "dog 2", "0001", "x.y"]
    touch(tmp_path, *(form.format(name) for form in (a, b) for name in names))
    assert sorted(pairs(tmp_path)) == sorted((a.format(name), b.format(name)) for name in names)


@pytest.mark.parametrize(
    "names",
    [
        ["cat/1.png", "dog/1.png"],
        ["a.png", "b.png", "c.png", "d.png"],
        ["night_a.png", "night_b.png", *(f"{i}.png" for i in range(4))],
        ["train/1.png", "train/2.png"],
        ["images/1.png", "images/2.png"],
        ["train_AB/1.png", "train_AB/2.png"],
    ],
)
def test_names_that_tell_no_sides(tmp_path: Path, names: list[str]) -> None:
    places = layouts.in_one_folder(touch(tmp_path, *names))
    assert {place.side for place in places} == {None}


def test_splits(tmp_path: Path) -> None:
    names = ["train", "test", "valid", "more"]
    touch(tmp_path, *(f"{name}/{side}/1.png" for name in names for side in ("A", "B")))
    parts = layouts.in_splits(layouts.in_one_folder(tmp_path), tmp_path)
    assert [[place.path for place in part] for part in parts] == [
        ["train/A/1.png", "train/B/1.png"],
        ["test/A/1.png", "test/B/1.png"],
        [f"{name}/{side}/1.png" for name in ("more", "valid") for side in ("A", "B")],
    ]
    # A test set without targets cannot be held out.
    (tmp_path / "test" / "B" / "1.png").unlink()
    _, held_out, unused = layouts.in_splits(layouts.in_one_folder(tmp_path), tmp_path)
    assert [place.split for place in held_out] == ["val", "val"]
    assert "test/A/1.png" in [place.path for place in unused]
    only = touch(tmp_path / "only", "test/A/1.png", "test/B/1.png")
    with pytest.raises(UserError, match="nothing to train on beside 'test'"):
        layouts.in_splits(layouts.in_one_folder(only), only)


def test_names_match_composed_or_decomposed(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    touch(tmp_path, f"A/{names[0]}.png", f"B/{names[1]}.png")
    assert pairs(tmp_path) == [(f"A/{names[0]}.png", f"B/{names[1]}.png")]


def test_layouts_that_are_not_clear(tmp_path: Path) -> None:
    def refused(match: str, *paths: str) -> None:
        root = touch(tmp_path / match[:8], *paths)
        with pytest.raises(UserError, match=match):
            pairs(root)

    refused(
        r"has several layouts \('images' and 'masks', 'images' and 'labels'\): give the two",
        *("images/1.png", "masks/1.png", "labels/1.png"),
    )
    refused(
        "no input and target have the same name, such as 'images/a1.png' and 'masks/m1.png'",
        *("images/a1.png", "masks/m1.png"),
    )
    refused("'2_A.png' has no image of the same name: add it", "1_A.png", "1_B.png", "2_A.png")
    refused(
        "'B/1_B.png' and 'B/1_mask.png' are both called '1': rename one",
        *("A/1.png", "B/1_B.png", "B/1_mask.png"),
    )


def test_two_folders_of_equal_names_are_not_side_by_side(tmp_path: Path) -> None:
    names = [f"{folder}/{i}.png" for folder in ("photos", "sketches") for i in range(4)]
    places = layouts.in_one_folder(touch(tmp_path, *names))
    with pytest.raises(UserError, match=r"have images of equal names, such as '\d': give pairs:/"):
        layouts.check_side_by_side(places, tmp_path)
    layouts.check_side_by_side(places[:5], tmp_path)  # one name of four may be an accident


def test_a_comma_may_be_part_of_a_folder(tmp_path: Path) -> None:
    root = tmp_path / "a,b"
    root.mkdir()
    assert layouts.folders_in(str(root), "pairs:DIR") == [root]
    assert layouts.folders_in(f"{tmp_path}, {tmp_path}", "pairs:DIR") == [tmp_path] * 2
    with pytest.raises(UserError, match="pairs: takes two folders, not 3"):
        layouts.folders_in("a,b,c", "pairs:DIR")
