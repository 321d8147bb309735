"""Folders of images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from grey_images import values
from helpers import assert_parts_are_the_batch, take
from PIL import Image

from tfgan2.data import absolute_name, load_dataset
from tfgan2.data.folders import files as files_module
from tfgan2.data.folders.finding import by_stem
from tfgan2.data.prepared import pack
from tfgan2.data.request import Request
from tfgan2.errors import DataWarning, UserError

COUNT = 30


def write(path: Path, value: int, mode: str = "L", size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = value if mode == "L" else (value, 0, 0)
    Image.new(mode, size, colour).save(path)
    return path


@pytest.fixture
def classed(tmp_path: Path) -> Path:
    """Three classes; image i, of grey value 8 i, is in class i % 3, some of them deeper."""
    root = tmp_path / "classed"
    for i in range(COUNT):
        deeper = "deeper/still" if i % 2 else "."
        write(root / "abc"[i % 3] / deeper / f"{i}.png", 8 * i)
    return root


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_subfolders_are_the_classes(classed: Path, cache: str) -> None:
    dataset = load_dataset(f"folder:{classed}", image_size=8, cache=cache)
    assert dataset.class_names == ("a", "b", "c")
    assert dataset.num_images == COUNT
    assert dataset.image_shape == (8, 8, 1)
    assert dataset.in_memory == (cache == "memory")
    images, labels = dataset.batches(4).element_spec
    assert images == tf.TensorSpec((4, 8, 8, 1), tf.float32)
    assert labels == tf.TensorSpec((4,), tf.int32)
    seen: list[int] = []
    for images, labels in take(dataset, 7, 30):  # seven epochs
        assert images.min() >= -1
        np.testing.assert_array_equal(values(images) // 8 % 3, labels)
        seen += values(images).tolist()
    for epoch in np.array(seen).reshape(7, COUNT):
        assert sorted(epoch) == [8 * i for i in range(COUNT)]


def test_memory_and_stream_give_the_same(classed: Path) -> None:
    held = load_dataset(f"folder:{classed}", image_size=16, cache="memory")
    streamed = load_dataset(f"folder:{classed}", image_size=16, cache="stream")
    assert held.fingerprint == streamed.fingerprint
    for one, other in zip(take(held, 8, 9, seed=5), take(streamed, 8, 9, seed=5), strict=True):
        for array, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("batches_before", [1, 4, 9])
def test_a_stream_goes_on_where_it_left_off(classed: Path, batches_before: int) -> None:
    dataset = load_dataset(f"folder:{classed}", cache="stream")
    straight = take(dataset, 8, batches_before + 3, seed=2)[batches_before:]
    resumed = take(dataset, 8, 3, seed=2, start=8 * batches_before)
    for one, other in zip(straight, resumed, strict=True):
        for array, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, same)


def test_reaching_the_start_decodes_nothing(classed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset(f"folder:{classed}", cache="stream")
    decoded: list[Path] = []
    read = files_module.read_image

    def counted(path: Path, **options: int) -> np.ndarray:
        decoded.append(path)
        return read(path, **options)

    monkeypatch.setattr(files_module, "read_image", counted)
    take(dataset, 5, 1, start=5_000_000)
    assert 5 <= len(decoded) <= 5 * 40  # what is read ahead, not what lies before


def test_auto_streams_what_is_too_large(classed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = COUNT * 8 * 8
    monkeypatch.setattr("tfgan2.data.request.MEMORY_LIMIT", size)
    assert load_dataset(f"folder:{classed}", image_size=8).in_memory
    monkeypatch.setattr("tfgan2.data.request.MEMORY_LIMIT", size - 1)
    assert not load_dataset(f"folder:{classed}", image_size=8).in_memory


def test_some_classes(classed: Path) -> None:
    dataset = load_dataset(f"folder:{classed}", classes=["c", "0"])
    assert dataset.class_names == ("c", "a")
    [[images, labels]] = take(dataset, dataset.num_images, 1)
    assert Counter(labels.tolist()) == {0: 10, 1: 10}
    assert set(values(images[labels == 0]) // 8 % 3) == {2}
    assert set(values(images[labels == 1]) // 8 % 3) == {0}


def test_images_at_the_top_mean_no_labels(classed: Path) -> None:
    write(classed / "top.png", 255)
    dataset = load_dataset(f"folder:{classed}")
    assert dataset.class_names == ()
    assert dataset.num_images == COUNT + 1
    assert dataset.image_shape == (64, 64, 1)
    assert dataset.batches(2).element_spec == tf.TensorSpec((2, 64, 64, 1), tf.float32)


def test_hidden_and_other_files_are_no_images(classed: Path) -> None:
    before = load_dataset(f"folder:{classed}")
    write(classed / "a" / ".hidden.png", 1)
    write(classed / ".cache" / "x.png", 1)
    (classed / "notes.txt").write_text("x")
    (classed / "empty").mkdir()
    after = load_dataset(f"folder:{classed}")
    assert (after.num_images, after.class_names) == (COUNT, before.class_names)
    assert after.fingerprint == before.fingerprint


def test_links_are_followed_but_not_in_circles(classed: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "x.png", 9)
    (classed / "d").symlink_to(tmp_path / "elsewhere")
    (classed / "a" / "up").symlink_to(tmp_path)
    dataset = load_dataset(f"folder:{classed}")
    assert dataset.class_names == ("a", "b", "c", "d")
    # Through "up": the file elsewhere once more, and nothing of `classed` itself.
    assert dataset.num_images == COUNT + 2


def test_upper_case_suffixes(tmp_path: Path) -> None:
    write(tmp_path / "X.PNG", 9)
    assert load_dataset(f"folder:{tmp_path}").num_images == 1


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    try:
        shutil.copy(write(tmp_path / "x.png", 80), path)
    except OSError:
        pytest.skip("this file system allows UTF-8 only")
    dataset = load_dataset(f"folder:{tmp_path}", cache="stream")
    assert dataset.num_images == 2
    assert values(take(dataset, 2, 1)[0][0]).tolist() == [80, 80]


def test_one_image_in_colour_makes_colour(classed: Path) -> None:
    assert load_dataset(f"folder:{classed}").image_shape[2] == 1
    write(classed / "c" / "z.png", 200, mode="RGB")  # the last of them all
    assert load_dataset(f"folder:{classed}").image_shape[2] == 3
    assert load_dataset(f"folder:{classed}", channels=1).image_shape[2] == 1
    assert load_dataset(f"folder:{classed}", channels=4).image_shape[2] == 4


def test_the_fingerprint_sees_names_and_sizes(classed: Path, tmp_path: Path) -> None:
    before = load_dataset(f"folder:{classed}").fingerprint
    moved = classed.rename(tmp_path / "moved")
    assert load_dataset(f"folder:{moved}").fingerprint == before
    renamed = (moved / "a" / "0.png").rename(moved / "a" / "00.png")
    assert load_dataset(f"folder:{moved}").fingerprint != before
    renamed.rename(moved / "a" / "0.png")
    write(moved / "a" / "0.png", 0, size=(40, 40))
    assert load_dataset(f"folder:{moved}").fingerprint != before


def test_files_of_other_types_are_counted(classed: Path) -> None:
    """Each folder is named once, however often it is searched."""
    before = load_dataset(f"folder:{classed}")
    for name in ("a/1.HEIC.x", "a/2.svg", "b/3.svg", "scan.dcm", "labels.csv", "README"):
        (classed / name).write_bytes(b"x")
    (classed / "__MACOSX").mkdir()
    write(classed / "__MACOSX" / "0.png", 1)
    with pytest.warns(DataWarning) as caught:
        after = load_dataset(f"folder:{classed}")
    assert [str(each.message) for each in caught] == [
        "left out 4 files of types that cannot be read here: 2 .svg, 1 .dcm, 1 .x "
        f"(in {str(classed)!r})"
    ]
    assert after.fingerprint == before.fingerprint


def test_images_without_a_suffix_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.png", 9).rename(tmp_path / "5d41402abc")
    write(tmp_path / "b.png", 80).rename(tmp_path / "IMG_2024.06")
    write(tmp_path / "c.png", 200).rename(tmp_path / "c.jpg")
    dataset = load_dataset(f"folder:{tmp_path}", image_size=8)
    assert sorted(values(take(dataset, 3, 1)[0][0])) == [9, 80, 200]


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_warnings_of_libraries_name_the_file(
    classed: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/0.png", "c/2.png"):
        write(classed / name, 0, size=(30, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.warns(DataWarning) as caught:
        dataset = load_dataset(f"folder:{classed}", image_size=8, cache=cache)
    (warning,) = caught
    assert str(warning.message).startswith(
        "2 of 30 files gave warnings, the first is 'a/0.png': Image size (900 pixels) exceeds"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        take(dataset, COUNT, 1)


# --- files that cannot be read -------------------------------------------------------------------


@pytest.fixture
def damaged(classed: Path) -> Path:
    (classed / "a" / "0.png").write_bytes(b"")
    (classed / "b" / "bad.jpg").write_bytes(b"nonsense")
    good = write(classed / "c" / "cut.png", 0, size=(200, 200))
    Image.effect_noise((200, 200), 90).save(good)
    good.write_bytes(good.read_bytes()[:5000])
    return classed


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_unreadable_files_are_named(damaged: Path, cache: str) -> None:
    with pytest.raises(UserError) as caught:
        load_dataset(f"folder:{damaged}", cache=cache)
    assert str(caught.value) == (
        "cannot read 'a/0.png': empty file (and 2 more of 32); repair or remove it, "
        "or give --skip-unreadable to leave such files out"
    )


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_unreadable_files_can_be_left_out(damaged: Path, cache: str) -> None:
    with pytest.warns(DataWarning, match="left out 3 of 32 files .* 'a/0.png': empty file"):
        dataset = load_dataset(f"folder:{damaged}", image_size=8, cache=cache, skip_unreadable=True)
    assert dataset.skipped == ("a/0.png", "b/bad.jpg", "c/cut.png")
    assert dataset.num_images == COUNT - 1
    assert dataset.class_counts == tuple(np.bincount(np.arange(1, COUNT) % 3))
    [[images, labels]] = take(dataset, COUNT - 1, 1)
    assert sorted(values(images)) == [8 * i for i in range(1, COUNT)]
    np.testing.assert_array_equal(values(images) // 8 % 3, labels)


def test_a_file_that_vanishes_later_is_named(classed: Path) -> None:
    dataset = load_dataset(f"folder:{classed}", cache="stream")
    (classed / "b" / "4.png").unlink()
    with pytest.raises(tf.errors.OpError, match=r"cannot read 'b/4.png' any more"):
        take(dataset, COUNT, 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder:", "lacks its path"),
        ("folder:{}/none", "does not exist"),
        ("folder:{}/file.png", "is a file"),
        ("folder:{}/empty", "holds no images: give one with"),
        (
            "folder:{}/phone",
            "holds no images that can be read: 2 .svg; convert them to .png or .jpg",
        ),
        ("folder:{}/bad", "cannot read 'x.png': not an image"),
    ],
)
@pytest.mark.parametrize("skip", [False, True])
def test_folders_that_are_refused(tmp_path: Path, name: str, message: str, skip: bool) -> None:
    write(tmp_path / "file.png", 0)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("x")
    (tmp_path / "phone").mkdir()
    for drawing in ("a.svg", "b.SVG"):
        (tmp_path / "phone" / drawing).write_bytes(b"<svg>")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"x")
    if skip and "bad" in name:
        message = "none of the 1 images can be read"
    with pytest.raises(UserError, match=message) as caught:
        load_dataset(name.format(tmp_path), skip_unreadable=skip)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "message"),
    [(["d"], "unknown class 'd'"), (["a", "0"], "class 'a' is given twice")],
)
def test_classes_that_are_refused(classed: Path, classes: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_dataset(f"folder:{classed}", classes=classes)


def test_progress_comes_to_an_end(classed: Path) -> None:
    told: list[tuple[str, int, int]] = []
    load_dataset(f"folder:{classed}", progress=lambda *facts: told.append(facts))
    assert told[0][1:] == (0, COUNT)
    assert told[-1][1:] == (COUNT, COUNT)


@pytest.mark.slow
def test_a_process_with_an_open_stream_ends(classed: Path) -> None:
    """Without the exit guard of `sources`, more than half of such processes never end."""
    code = f"""
        from tfgan2.data import load_dataset
        iterator = iter(load_dataset("folder:{classed}", cache="stream").batches(30))
        next(iterator)
        print("done")
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert out.stdout.strip() == "done"
    assert "Traceback" not in out.stderr


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_the_parts_of_all_workers_are_the_batch(classed: Path, cache: str) -> None:
    assert_parts_are_the_batch(load_dataset(f"folder:{classed}", image_size=8, cache=cache))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "prepared"])
def test_memory_hardly_grows_with_the_number_of_files(tmp_path: Path, kind: str) -> None:
    """What Python holds, at its peak: of TensorFlow's own hundreds of MiB it is no 5 %."""

    def peak(count: int) -> int:
        root = tmp_path / str(count)
        source = write(tmp_path / f"{count}.png", 9)
        (root / "class").mkdir(parents=True)
        for number in range(count):
            os.link(source, root / "class" / f"picture-{number:07d}.png")
        name = f"folder:{root}"
        if kind == "prepared":
            pack(Request(name, image_size=8), tmp_path / f"{count}.json")
            name = f"prepared:{tmp_path}/{count}.json"
        tracemalloc.start()
        try:
            load_dataset(name, image_size=8, cache="stream")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)  # imports
    assert peak(2200) - peak(200) < 2000 * 1000


def test_names_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, expected in (
        ("digits", "digits"),
        ("emnist/letters", "emnist/letters"),
        ("tiny:1.0.0", "tiny:1.0.0"),
        ("folder:", "folder:"),
        ("folder:a,b", f"folder:{tmp_path}/a,b"),
        ("captions:/x/c.jsonl", "captions:/x/c.jsonl"),
        ("unpaired:a, b", f"unpaired:{tmp_path}/a,{tmp_path}/b"),
        ("pairs:gs://bucket/x", "pairs:gs://bucket/x"),
    ):
        assert absolute_name(name) == expected


def test_names_are_equal_however_they_are_composed() -> None:
    (composed,), (decomposed,) = (by_stem([name]) for name in ("caf\u00e9.png", "cafe\u0301.jpg"))
    assert composed == decomposed
    with pytest.raises(UserError, match="are both called"):
        by_stem(["caf\u00e9.png", "cafe\u0301.jpg"])


# --- ranges of values ----------------------------------------------------------------------------


def deep(root: Path, highest: float, *, dtype: str = "float32", count: int = 8) -> Path:
    """Flat images of 16-bit or float grey, from 0 to the highest value."""
    root.mkdir(exist_ok=True)
    for i, value in enumerate(np.linspace(0, highest, count)):
        Image.fromarray(np.full((8, 8), value, dtype)).save(root / f"{i}.tif")
    return root


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_one_range_for_what_trains_and_what_is_held_out(tmp_path: Path, cache: str) -> None:
    dataset = load_dataset(f"folder:{deep(tmp_path, 70)}", image_size=8, cache=cache, hold_out=3)
    [trained], [held_out] = take(dataset, 5, 1), take(dataset.held_out, 3, 1)
    seen = sorted([*values(trained[0]), *values(held_out[0])])
    assert seen == np.rint(np.linspace(0, 70, 8)).tolist()
    assert dataset.facts["value_ranges"] == [{"float": (0, 255)}]
    again = load_dataset(f"folder:{deep(tmp_path, 7)}", image_size=8, cache=cache)
    [[images]] = take(again, 8, 1)
    assert sorted(values(images)) == np.rint(np.linspace(0, 255, 8)).tolist()


def test_the_range_tells_data_apart(tmp_path: Path) -> None:
    """Files of the same names and sizes that would be scaled in another way."""

    def fingerprint(highest: float, **options: object) -> str:
        return load_dataset(f"folder:{deep(tmp_path, highest)}", **options).fingerprint

    prints = [fingerprint(70), fingerprint(7), fingerprint(7, value_range=(0, 10))]
    assert len(set(prints)) == 3
    assert fingerprint(70) == prints[0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((0, 0), "must be two numbers, the smaller first, such as 0,4095, not '0,0'"),
        (["5", "x"], "not '5,x'"),
        ((1, 2, 3), "not '1,2,3'"),
        ("0;1", "not '0;1'"),
        ((0, float("nan")), "not '0,nan'"),
        ((-20, 30), "value_range fits no file of .*: all are of 8 bits"),
    ],
)
def test_value_ranges_that_are_refused(classed: Path, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_dataset(f"folder:{classed}", value_range=value)
    with pytest.raises(UserError, match=r"must be two|'digits' has a range of its own"):
        load_dataset("digits", value_range=value)


def test_a_value_range_clips(tmp_path: Path) -> None:
    root = deep(tmp_path, 4000, dtype="uint16", count=5)
    [[images]] = take(load_dataset(f"folder:{root}", value_range=("1000", 3000.0)), 5, 1)
    assert sorted(values(images)) == [0, 0, 128, 255, 255]
