"""Copies of an image are never on both sides of a hold-out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgan2.data import load_dataset
from tfgan2.data.prepared import pack
from tfgan2.data.request import Request
from tfgan2.errors import UserError


def write(path: Path, *numbers: int) -> Path:
    """Writes images side by side; the pixels depend on their numbers alone, None is black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8) for number in numbers]
    Image.fromarray(np.concatenate(parts, axis=1)).save(path)
    return path


def black(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8)).save(path)


def sides(dataset: object) -> tuple[list[set[bytes]], list[set[bytes]]]:
    """The images of each part of the samples: those to train on, and those held out."""

    def images(part: object) -> list[set[bytes]]:
        arrays = part.some(part.num_images)
        return [{image.tobytes() for image in array} for array in arrays if array.ndim == 4]

    return images(dataset), images(dataset.held_out)


def assert_apart(dataset: object) -> None:
    for one, other in zip(*sides(dataset), strict=True):
        assert one.isdisjoint(other)


def test_copies_in_a_folder_and_its_pack(tmp_path: Path) -> None:
    for i in range(10):
        for name in (f"a/{i}.png", f"b/copy of {i}.png"):
            write(tmp_path / "all" / name, i)
    write(tmp_path / "all" / "b" / "alone.png", 99)
    pack(Request(f"folder:{tmp_path}/all"), tmp_path / "pack.json")
    packed = [f"prepared:{tmp_path}/pack.json"] if os.name == "posix" else []
    for name in (f"folder:{tmp_path}/all", *packed):
        dataset = load_dataset(name, image_size=8, hold_out=4)
        assert (dataset.num_images, dataset.held_out.num_images) == (17, 4)
        assert_apart(dataset)
        assert dataset.notes == (
            "10 of 21 samples are copies of others; copies are held out together or not at all",
        )
    assert not load_dataset(f"folder:{tmp_path}/all", image_size=8).notes


def test_broken_links_are_named_or_left_out(tmp_path: Path) -> None:
    for i in range(6):
        write(tmp_path / f"{i}.png", i)
    for name in "ab":
        (tmp_path / f"{name}.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(UserError, match=r"cannot read 'a.png': No such file"):
        load_dataset(f"folder:{tmp_path}", image_size=8, hold_out=2)
    dataset = load_dataset(f"folder:{tmp_path}", image_size=8, hold_out=2, skip_unreadable=True)
    assert dataset.num_images + dataset.held_out.num_images == 6


def test_images_of_a_split_that_are_also_held_out(tmp_path: Path) -> None:
    for i in range(6):
        write(tmp_path / "all" / "train" / f"c{i % 2}" / f"{i}.png", i)
        write(tmp_path / "all" / "test" / f"c{i % 2}" / f"{i}.png", i + 4)
    pack(Request(f"folder:{tmp_path}/all"), tmp_path / "pack.json")
    for form, first in (
        (f"folder:{tmp_path}/all", "train/c0/4.png"),
        (f"prepared:{tmp_path}/pack.json", "image 2"),
    ):
        for classes, count, total in ((None, 4, 6), (["c0"], 2, 3)):
            dataset = load_dataset(form, image_size=8, classes=classes)
            assert dataset.num_images == count
            assert_apart(dataset)
            left_out = f"left {total - count} of {total} samples out of training because they are"
            assert f"{left_out} also held out, the first: {first}" in dataset.notes


def test_what_is_held_out_without_copies_is_drawn_as_before() -> None:
    request = Request("digits", hold_out=7)
    order = np.random.RandomState(0).permutation(100)
    for copies in (None, lambda: np.arange(100)):
        training, held_out = request.held_out(100, copies)
        np.testing.assert_array_equal(held_out, np.sort(order[:7]))
        np.testing.assert_array_equal(training, np.sort(order[7:]))
    assert not request.notes


def test_more_copies_than_are_to_be_held_out() -> None:
    request = Request("digits", hold_out=3)
    with pytest.raises(UserError, match=r"every sample of 'digits' has copies.* 4 or more"):
        request.held_out(20, lambda: np.arange(20) // 4)
    with pytest.raises(UserError, match="give --hold-out 0"):
        request.held_out(20, lambda: np.zeros(20, int))
    _, held_out = request.held_out(20, lambda: np.arange(20) // 2)
    assert len(held_out) == 2
    assert request.notes[-1].endswith("not at all: 2 held out, not 3")


def test_captions_of_one_image_on_several_lines(tmp_path: Path) -> None:
    lines = []
    for i in range(8):
        write(tmp_path / "p" / f"{i}.png", i)
        lines += [{"image": f"p/{i}.png", "caption": f"n{i} {word}"} for word in ("one", "two")]
    (tmp_path / "link.png").symlink_to(tmp_path / "p" / "0.png")
    write(tmp_path / "p" / "copy.png", 1)
    lines += [
        {"image": name, "caption": f"{name.partition('.')[0]} three"}
        for name in ("./p/0.png", "p/../p/0.png", "link.png", "p/copy.png")
    ]
    file = tmp_path / "captions.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    dataset = load_dataset(f"captions:{file}", image_size=8, hold_out=4)
    assert (dataset.num_images, dataset.held_out.num_images) == (5, 4)
    assert_apart(dataset)
    assert dataset.notes[0] == (
        "captions: 20 lines name 9 different files; each has the captions of all its lines"
    )


@pytest.mark.slow
def test_pairs_with_the_same_input_or_target(tmp_path: Path) -> None:
    for i in range(12):
        # Pairs 0 and 1 share their input, pairs 1 and 2 their target; so do 3 and 4, 5 and 6.
        a, b = {1: (0, 101), 2: (2, 101), 4: (3, 104), 6: (6, 105)}.get(i, (i, 100 + i))
        write(tmp_path / "two" / "A" / f"{i}.png", a)
        write(tmp_path / "two" / "B" / f"{i}.png", b)
        write(tmp_path / "one" / f"{i}.png", a, b)
    for hold_out in (2, 3, 5, 8):
        for root in ("one", "two"):
            dataset = load_dataset(f"pairs:{tmp_path}/{root}", image_size=8, hold_out=hold_out)
            assert dataset.held_out.num_images == hold_out
            assert_apart(dataset)


def test_empty_masks_are_no_copies(tmp_path: Path) -> None:
    for i in range(12):
        write(tmp_path / "images" / f"{i}.png", i % 11)
        black(tmp_path / "masks" / f"{i}.png")
    dataset = load_dataset(f"pairs:{tmp_path}", image_size=8, hold_out=3)
    assert dataset.held_out.num_images == 3
    assert dataset.notes[-1].startswith("1 of 12 samples are copies")
    assert sides(dataset)[0][0].isdisjoint(sides(dataset)[1][0])


@pytest.mark.parametrize("side_by_side", [False, True])
def test_big_endian_pairs(tmp_path: Path, side_by_side: bool) -> None:
    for i in range(6):
        image, mask = np.full((8, 8), 1000 * (i % 5), ">u2"), np.zeros((8, 8), ">u2")
        files = {"images": image, "masks": mask}
        if side_by_side:
            files = {"both": np.concatenate([image, mask], axis=1)}
        for folder, values in files.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(values.astype(">u2")).save(tmp_path / folder / f"{i}.tif")
    name = f"pairs:{tmp_path / 'both' if side_by_side else tmp_path}"
    dataset = load_dataset(name, image_size=8, hold_out=2)
    assert (dataset.num_images, dataset.held_out.num_images) == (4, 2)


def test_pairs_to_train_on_that_are_also_held_out(tmp_path: Path) -> None:
    for i in range(6):
        write(tmp_path / "train" / f"{i}.png", i, 100 + i)
    write(tmp_path / "test" / "other.png", 4, 104)
    write(tmp_path / "test" / "same input.png", 5, 200)
    dataset = load_dataset(f"pairs:{tmp_path}", image_size=8)
    assert (dataset.num_images, dataset.held_out.num_images) == (4, 2)
    assert_apart(dataset)
    assert (
        "left 2 of 6 samples out of training because they are also held out, the first: "
        "train/4.png" in dataset.notes
    )
    for i in range(4):
        write(tmp_path / "test" / f"{i}.png", i, i)
    with pytest.raises(UserError, match=r"all 6 samples .* the first is 'train/0.png'"):
        load_dataset(f"pairs:{tmp_path}", image_size=8)


def test_unpaired_images_that_both_sides_have(tmp_path: Path) -> None:
    for side in "ab":
        for i in range(8):
            write(tmp_path / side / f"{side}{i}.png", i if i < 3 else i + 10 * ord(side))
            write(tmp_path / side / f"copy{i}.png", i if i < 3 else i + 10 * ord(side))
    dataset = load_dataset(f"unpaired:{tmp_path}/a,{tmp_path}/b", image_size=8, hold_out=6)
    (a, b), (held_a, held_b) = sides(dataset)
    assert len(held_a) == len(held_b) == 3
    assert (a | b).isdisjoint(held_a | held_b)
