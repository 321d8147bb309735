"""Pairs, unpaired images, and what is held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from grey_images import everything, grey, write
from helpers import assert_parts_are_the_batch
from PIL import Image

from tfgan2.data import absolute_name, load_dataset
from tfgan2.errors import UserError


@pytest.fixture
def side_by_side(tmp_path: Path) -> Path:
    """Pair i: left grey 10 i, right grey 10 i + 5."""
    root = tmp_path / "both"
    for i in range(12):
        write(root / f"{i}.png", np.concatenate([grey(10 * i), grey(10 * i + 5)], axis=1))
    return root


@pytest.mark.parametrize("cache", ["memory", "stream"])
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_side_by_side(side_by_side: Path, direction: str, cache: str) -> None:
    dataset = load_dataset(
        f"pairs:{side_by_side}", image_size=8, direction=direction, cache=cache, hold_out=3
    )
    assert dataset.kind == "pairs" and dataset.in_memory == (cache == "memory")
    assert dataset.image_shape == (8, 8, 1) and dataset.facts["input_shape"] == [8, 8, 1]
    assert (dataset.num_images, dataset.held_out.num_images) == (9, 3)
    inputs, targets = everything(dataset)
    difference = 5 if direction == "AtoB" else -5
    np.testing.assert_array_equal(targets - inputs, difference)
    rest, _ = everything(dataset.held_out)
    assert sorted([*inputs, *rest]) == [10 * i + (0 if difference > 0 else 5) for i in range(12)]


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_folders_a_and_b_with_channels_of_their_own(tmp_path: Path, cache: str) -> None:
    for i in range(3):
        colour = np.full((10, 10, 3), [10 * i, 0, 0])
        write(tmp_path / "A" / f"{i}.png", grey(10 * i, 10, 10))
        write(tmp_path / "B" / f"{i}.bmp", colour)
    dataset = load_dataset(f"pairs:{tmp_path}", image_size=8, cache=cache)
    assert dataset.in_memory == (cache == "memory")
    assert dataset.image_shape == (8, 8, 3) and dataset.facts["input_shape"] == [8, 8, 1]
    inputs, targets = everything(dataset)
    np.testing.assert_array_equal(inputs, targets)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_the_broken_file_of_a_pair_is_named(tmp_path: Path, direction: str) -> None:
    for side in "AB":
        for i in range(3):
            write(tmp_path / side / f"{i}.png", grey(10 * i))

    def load(**options: object) -> object:
        return load_dataset(f"pairs:{tmp_path}", image_size=8, direction=direction, **options)

    (tmp_path / "B" / "1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot read 'B/1.png': empty file"):
        load()
    assert load(skip_unreadable=True).skipped == ("B/1.png",)
    (tmp_path / "B" / "1.png").unlink()
    Image.new("F", (8, 8), float("nan")).save(tmp_path / "B" / "1.tif")
    with pytest.raises(UserError, match=r"cannot read 'B/1.tif': some of its values"):
        load()


def test_two_sizes_of_one_shape_are_scaled(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "A" / f"{i}.png", grey(10 * i, 17, 33))
        write(tmp_path / "B" / f"{i}.png", grey(10 * i, 8, 16))
    dataset = load_dataset(f"pairs:{tmp_path}", image_size=8)
    np.testing.assert_array_equal(*everything(dataset))
    assert dataset.notes == (
        "pairs: input 'A', target 'B' (--direction BtoA turns them)",
        "3 pairs have images of two sizes, which are scaled to 8x8, the first: A/0.png of 33x17 "
        "and B/0.png of 16x8",
    )


def test_images_that_are_not_side_by_side(tmp_path: Path) -> None:
    for height, width in ((8, 8), (8, 12), (16, 9), (8, 24)):
        root = write(tmp_path / f"{width}x{height}" / "0.png", grey(0, height, width)).parent
        with pytest.raises(UserError) as raised:
            load_dataset(f"pairs:{root}", image_size=8, skip_unreadable=True)
        assert f"'0.png' in '{root}' is {width}x{height}, and two" in str(raised.value)
        assert "names that end with _A and _B, or pairs:DIR_INPUT" in str(raised.value)
    # A folder's name may say that files of another shape are pairs.
    for i, folder in enumerate(("train_AB", "train_AB", "test_AB")):
        both = np.concatenate([grey(i + 100, 8, 12), grey(i + 105, 8, 12)], axis=1)
        write(tmp_path / "wide" / folder / f"{i}.png", both)
    for root in ("wide", "wide/train_AB"):
        dataset = load_dataset(f"pairs:{tmp_path}/{root}", image_size=8)
        inputs, targets = everything(dataset)
        np.testing.assert_array_equal(targets - inputs, 5)
        assert dataset.notes[0].startswith("pairs: input the left half of each file, target the")


def test_two_folders_in_the_order_of_the_name(tmp_path: Path, monkeypatch: object) -> None:
    for i in range(4):
        write(tmp_path / "x, y" / "sketches" / f"{i}.png", grey(i + 105))
        write(tmp_path / "photos" / f"{i}.png", grey(i + 100))
    name = f"pairs:{tmp_path}/photos,{tmp_path}/x, y/sketches"
    with pytest.raises(UserError, match="takes two folders, not 3"):
        load_dataset(name, image_size=8)
    (tmp_path / "x, y").rename(tmp_path / "xy")
    name = "pairs:photos, xy/sketches"
    monkeypatch.chdir(tmp_path)
    assert absolute_name(name) == f"pairs:{tmp_path}/photos,{tmp_path}/xy/sketches"
    fingerprints = []
    for each in (name, absolute_name(name)):
        dataset = load_dataset(each, image_size=8)
        inputs, targets = everything(dataset)
        np.testing.assert_array_equal(targets - inputs, 5)
        fingerprints.append(dataset.fingerprint)
    turned = load_dataset(name, image_size=8, direction="BtoA")
    assert turned.notes == ("pairs: input 'sketches', target 'photos'",)
    (tmp_path / "photos").rename(tmp_path / "p")
    (tmp_path / "xy" / "sketches").rename(tmp_path / "s")
    fingerprints.append(load_dataset("pairs:p,s", image_size=8).fingerprint)
    assert len(set(fingerprints)) == 1


def test_test_or_val_beside_train_is_held_out(tmp_path: Path) -> None:
    for part, first in (("train", 0), ("val", 10)):
        for i in range(first, first + 4):
            both = np.concatenate([grey(10 * i), grey(10 * i)], axis=1)
            write(tmp_path / part / f"{i}.png", both)
    dataset = load_dataset(f"pairs:{tmp_path}", image_size=8)
    assert sorted(everything(dataset)[0]) == [0, 10, 20, 30]
    assert sorted(everything(dataset.held_out)[0]) == [100, 110, 120, 130]


def test_pairs_that_do_not_match(tmp_path: Path) -> None:
    def refused(match: str, root: Path = tmp_path) -> None:
        with pytest.raises(UserError, match=match):
            load_dataset(f"pairs:{root}", image_size=8)

    write(tmp_path / "A" / "1.png", grey(0))
    refused("has images in only one of the folders A and B")
    (tmp_path / "B").mkdir()
    refused("has images in only one of the folders A and B")
    write(tmp_path / "B" / "2.png", grey(0))
    refused(r"no input and target have the same name, such as 'A/1.png' and 'B/2.png': rename")
    write(tmp_path / "B" / "1.png", grey(0, 9, 8))
    refused(r"'B/2.png' has no image of the same name in A")
    (tmp_path / "B" / "2.png").unlink()
    refused(r"cannot read 'A/1.png': it is 8x8, and B/1.png is 8x9")
    write(tmp_path / "B" / "1.bmp", grey(0))
    refused(r"'B/1\.\w+' and 'B/1\.\w+' are both called '1': rename one")
    odd = write(tmp_path / "odd" / "1.png", grey(0, 16, 33)).parent
    refused("two images side by side have an even width", odd)
    refused("does not exist", tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["digits", "faces"])
def test_held_out_images_are_not_trained_on(name: str) -> None:
    whole = load_dataset(name)
    dataset = load_dataset(name, hold_out=20)
    assert dataset.num_images == whole.num_images - 20 and dataset.held_out.num_images == 20
    sizes = [d.some(d.num_images)[0] for d in (dataset, dataset.held_out)]
    seen = {image.tobytes() for image in sizes[0]} | {image.tobytes() for image in sizes[1]}
    assert seen == {image.tobytes() for image in whole.some(whole.num_images)[0]}
    assert dataset.fingerprint != whole.fingerprint
    assert dataset.fingerprint == load_dataset(name, hold_out=20).fingerprint
    with pytest.raises(UserError, match="cannot be held out: give --hold-out"):
        load_dataset(name, hold_out=5000)


def test_points_hold_nothing_out() -> None:
    with pytest.raises(UserError, match="leave --hold-out out"):
        load_dataset("ring8", hold_out=5)


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_the_parts_of_all_workers_are_the_batch(tmp_path: Path, cache: str) -> None:
    for side, count in (("a", 20), ("b", 13)):
        for i in range(count):
            write(tmp_path / side / f"{i}.png", grey(10 * i))
    name = f"unpaired:{tmp_path}/a,{tmp_path}/b"
    assert_parts_are_the_batch(load_dataset(name, image_size=8, cache=cache))
    for i in range(20):
        write(tmp_path / "B" / f"{i}.png", grey(10 * i))
    (tmp_path / "a").rename(tmp_path / "A")
    (tmp_path / "b").rename(tmp_path / "elsewhere")
    assert_parts_are_the_batch(load_dataset(f"pairs:{tmp_path}", image_size=8, cache=cache))
