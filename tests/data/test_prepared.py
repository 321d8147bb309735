"""Images packed into shards."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from array_record.python.array_record_data_source import ArrayRecordDataSource
from helpers import assert_parts_are_the_batch, assert_refused, take
from PIL import Image

from tfgan2 import cli
from tfgan2.data import load_dataset, prepared
from tfgan2.data.request import Request
from tfgan2.errors import UserError

COUNT = 30


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of coloured noise, each file of another size; "a-b" sorts before "a/"."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        folder = root / ("a", "a-b", "c")[i % 3]
        folder.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (12 + i, 50 - i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.{'jpg' if i % 2 else 'png'}")
    return root


def pack(pictures: Path, out: Path, *, shard_bytes: int = 2**28, **options: object) -> Path:
    prepared.pack(Request(f"folder:{pictures}", **options), out, shard_bytes=shard_bytes)
    return out


@pytest.fixture(scope="module")
def files(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(pictures, tmp_path_factory.mktemp("files") / "x.json", shard_bytes=20_000)


@pytest.fixture(scope="module")
def scaled(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scaled") / "x.json"
    return pack(pictures, out, image_size=16, shard_bytes=16 * 16 * 3 * 7)


def assert_same(ours: list, theirs: list) -> None:
    for one, other in zip(ours, theirs, strict=True):
        for array, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, same)


def test_files_are_kept_as_they_are(files: Path, pictures: Path) -> None:
    index = prepared.Index.read(files)
    assert (index.num_images, index.channels, index.image_size) == (COUNT, 3, None)
    assert index.class_names == ("a", "a-b", "c")
    assert index.label_runs == ((1, 10), (0, 10), (2, 10))
    assert len(index.shards) > 2
    whole = sum(path.stat().st_size for path in pictures.rglob("*.*"))
    # ArrayRecord fills files up to a multiple of 64 KiB, twice.
    assert whole < sum(shard.bytes for shard in index.shards) < whole + len(index.shards) * 2**17
    assert {path.name for path in files.parent.iterdir()} == {"x.json", "x.json.shards"}


@pytest.mark.parametrize("cache", ["memory", "stream"])
@pytest.mark.parametrize("kind", ["files", "scaled"])
def test_the_same_as_the_folder(
    pictures: Path, kind: str, cache: str, request: pytest.FixtureRequest
) -> None:
    """Images, labels and order, and what is held out."""
    options = {"image_size": 16, "cache": cache, "hold_out": 4}
    ours = load_dataset(f"prepared:{request.getfixturevalue(kind)}", **options)
    theirs = load_dataset(f"folder:{pictures}", **options)
    assert ours.class_names == theirs.class_names and ours.image_shape == theirs.image_shape
    assert ours.in_memory == (cache == "memory")
    assert ours.batches(8).element_spec == theirs.batches(8).element_spec
    assert_same(take(ours, 8, 5, seed=3), take(theirs, 8, 5, seed=3))
    assert_same(take(ours.held_out, 4, 1), take(theirs.held_out, 4, 1))


def test_sizes_channels_and_classes(files: Path, scaled: Path, pictures: Path) -> None:
    assert load_dataset(f"prepared:{files}").image_shape == (64, 64, 3)
    assert load_dataset(f"prepared:{scaled}").image_shape == (16, 16, 3)
    for options in (
        {"image_size": 20, "channels": 4},
        {"classes": ["c", "a"], "image_size": 8},
        {"image_size": (12, 20)},
    ):
        ours = load_dataset(f"prepared:{files}", cache="stream", **options)
        theirs = load_dataset(f"folder:{pictures}", cache="stream", **options)
        assert ours.class_names == theirs.class_names
        assert_same(take(ours, 10, 2), take(theirs, 10, 2))
    smaller = load_dataset(f"prepared:{scaled}", image_size=8, channels=1, cache="stream")
    assert take(smaller, 2, 1)[0][0].shape == (2, 8, 8, 1)


def test_sizes_that_are_not_square(pictures: Path, tmp_path: Path) -> None:
    out = pack(pictures, tmp_path / "x.json", image_size="12x20")
    theirs = take(load_dataset(f"folder:{pictures}", image_size="12x20"), 10, 2)
    assert theirs[0][0].shape == (10, 12, 20, 3)
    assert_same(take(load_dataset(f"prepared:{out}"), 10, 2), theirs)
    with pytest.raises(UserError, match="holds images of 12x20, not of 13x13: prepare it again"):
        load_dataset(f"prepared:{out}", image_size=13)


def test_a_stream_goes_on_and_is_shared(scaled: Path) -> None:
    dataset = load_dataset(f"prepared:{scaled}", cache="stream")
    straight = take(dataset, 8, 9, seed=2)
    assert_same(take(dataset, 8, 3, seed=2, start=48), straight[6:])
    assert_parts_are_the_batch(dataset)


def test_opening_reads_no_images(scaled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(ArrayRecordDataSource, "__getitem__", refuse)
    load_dataset(f"prepared:{scaled}", cache="stream")


def test_the_fingerprint_tells_content_apart(files: Path, pictures: Path, tmp_path: Path) -> None:
    def fingerprint(path: Path, **options: object) -> str:
        return load_dataset(f"prepared:{path}", cache="stream", **options).fingerprint

    before = fingerprint(files)
    assert fingerprint(pack(pictures, tmp_path / "again")) == before  # other shards, other names
    prints = {before, fingerprint(files, image_size=8), fingerprint(files, classes=["a"])}
    some = tmp_path / "some"
    (some / "a").mkdir(parents=True)
    os.link(next((pictures / "a").iterdir()), some / "a" / "0.png")
    assert len(prints | {fingerprint(pack(some, tmp_path / "some.json"))}) == 4


def test_without_subfolders_there_are_no_labels(pictures: Path, tmp_path: Path) -> None:
    dataset = load_dataset(f"prepared:{pack(pictures / 'a', tmp_path / 'x')}")
    assert dataset.class_names == ()
    assert dataset.batches(2).element_spec == tf.TensorSpec((2, 64, 64, 3), tf.float32)
    with pytest.raises(UserError, match="has no labels"):
        load_dataset(f"prepared:{tmp_path / 'x'}", classes=["a"])


def test_a_pack_can_be_moved(scaled: Path, tmp_path: Path) -> None:
    pack_of = tmp_path / "before"
    pack_of.mkdir()
    (pack_of / "x.shards").mkdir()
    for path in [scaled, *scaled.parent.glob("*/*")]:
        target = pack_of / path.relative_to(scaled.parent)
        target.parent.mkdir(exist_ok=True)
        os.link(path, target)
    moved = pack_of.rename(tmp_path / "after") / "x.json"
    moved = moved.rename(moved.with_name("other.json"))
    dataset = load_dataset(f"prepared:{moved}", cache="stream")
    assert_same(take(dataset, 8, 1), take(load_dataset(f"prepared:{scaled}"), 8, 1))


def test_a_pack_has_the_range_of_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also a part of it, and pixels that were scaled before."""
    root = tmp_path / "deep"
    root.mkdir()
    for i in range(8):
        Image.fromarray(np.full((8, 8), i * 500 - 500, np.float32)).save(root / f"{i}.tif")
    theirs = load_dataset(f"folder:{root}", image_size=8)
    for name, options in (("files", {}), ("scaled", {"image_size": 8})):
        out = pack(root, tmp_path / f"{name}.json", **options)
        assert prepared.Index.read(out).ranges == {"float": (-500, 3000)}
        ours = load_dataset(f"prepared:{out}", image_size=8)
        assert ours.facts["value_ranges"] == theirs.facts["value_ranges"]
        assert_same(take(ours, 8, 1), take(theirs, 8, 1))
    other, given = tmp_path / "other.json", {"value_range": (0, 1000), "image_size": 8}
    words = ["prepare", f"folder:{root}", "--out", str(other), "--value-range", "0,1000"]
    assert cli.run(words) == 0
    assert "8 .tif; float grey; 0 is black, 1000 is white" in capsys.readouterr().out
    chosen = take(load_dataset(f"folder:{root}", **given), 8, 1)
    assert_same(take(load_dataset(f"prepared:{other}", image_size=8), 8, 1), chosen)
    files = load_dataset(f"prepared:{tmp_path / 'files.json'}", **given)
    assert_same(take(files, 8, 1), chosen)
    with pytest.raises(UserError, match="give --value-range to `tfgan2 prepare` instead"):
        load_dataset(f"prepared:{tmp_path / 'scaled.json'}", **given)


# --- the command ---------------------------------------------------------------------------------


def test_files_of_any_name(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / (name := "x[0:1]\\y\n*? 🐸~")).mkdir()
    dataset = load_dataset(f"prepared:{pack(pictures, tmp_path / name / name)}")
    assert dataset.num_images == COUNT and dataset.some(COUNT)[0].shape[0] == COUNT
    out = tmp_path / os.fsdecode(b"x\xff")
    with pytest.raises(UserError, match=r"x\\udcff' has bytes that are not UTF-8: use another"):
        pack(pictures, out)
    with pytest.raises(UserError, match="has bytes that are not UTF-8"):
        load_dataset(f"prepared:{out}")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_command(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.json"
    words = ["prepare", f"folder:{pictures}", "--out", str(out)]
    assert cli.run([*words, "--image-size", "16", "--shard-mb", "1"]) == 0
    shown = capsys.readouterr().out
    assert f"{out}: 30 images of 3 classes" in shown
    assert f"tfgan2 fit dcgan --dataset prepared:{out}" in shown
    assert_refused(words, "exists: choose another --out", capsys)
    out.unlink()
    assert_refused(words, "x.json.shards exists: choose another --out", capsys)


def test_warnings_are_lines_of_their_own(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither lines of Python's code nor lines without a file's name."""
    some = tmp_path / "some"
    shutil.copytree(pictures / "a", some)
    (some / "x.heic.svg").write_bytes(b"<svg>")
    (some / "y.png").write_bytes(b"x")
    exif = Image.Exif()
    exif[0x010E] = "a description"
    Image.new("L", (8, 8)).save(some / "z.jpg", exif=exif.tobytes()[:20])
    words = ["prepare", f"folder:{some}", "--out", str(tmp_path / "x"), "--skip-unreadable"]
    before = warnings.showwarning, list(warnings.filters)
    assert cli.run(words) == 0
    assert (warnings.showwarning, list(warnings.filters)) == before
    left_out, unreadable, warned = capsys.readouterr().err.splitlines()
    assert left_out == (
        f"warning: left out 1 file of a type that cannot be read here: 1 .svg (in {str(some)!r})"
    )
    assert unreadable == (
        "warning: left out 1 of 12 files that cannot be read, the first is 'y.png': not an image"
    )
    assert warned.startswith("warning: 1 of 12 files gave warnings, the first is 'z.jpg': ")


def test_what_is_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"")
    for source, out, more, message in (
        (str(pictures), "x", "", f"give folder:{pictures}"),
        ("folder:none", "x", "", "'none' does not exist"),
        (f"folder:{tmp_path}/empty", "x", "", "holds no images"),
        (f"folder:{tmp_path}/bad", "x", "", "cannot read 'x.png': empty file"),
        (f"folder:{tmp_path}/bad", "x", "--skip-unreadable", "none of the 1 images"),
        (f"folder:{pictures}", "none/x", "", "none is not a folder: create it"),
        (
            f"folder:{pictures}",
            "x",
            "--image-size 2",
            "image_size must be from 4 to 1024, not 2",
        ),
    ):
        out = str(tmp_path / out)
        assert_refused(["prepare", source, "--out", out, *more.split()], message, capsys)
    words = ["prepare", f"folder:{pictures}", "--out", "gs://bucket/x"]
    assert_refused(words, "not to gs://bucket/x", capsys)
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "bad"}


def test_unreadable_images_can_be_left_out(pictures: Path, tmp_path: Path) -> None:
    some = tmp_path / "some"
    some.mkdir()
    for number, path in enumerate((pictures / "a").iterdir()):
        os.link(path, some / f"{number}{path.suffix}")
    (some / "5.bad.png").write_bytes(b"x")
    index, skipped = prepared.pack(Request(f"folder:{some}", skip_unreadable=True), tmp_path / "x")
    assert (index.num_images, skipped) == (10, ("5.bad.png",))


def test_an_interruption_leaves_nothing(pictures: Path, tmp_path: Path) -> None:
    def interrupt(text: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(pictures, tmp_path / "x", progress=interrupt)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_the_pack_of_another_process_stays(
    pictures: Path, scaled: Path, tmp_path: Path, error: type[BaseException]
) -> None:
    out = tmp_path / scaled.name

    def meanwhile(text: str, done: int, total: int) -> None:
        if text == "packing images" and not out.exists():
            shutil.copytree(scaled.parent, tmp_path, dirs_exist_ok=True)
            if error is KeyboardInterrupt:
                raise KeyboardInterrupt

    with pytest.raises(error, match="exists" if error is UserError else None):
        pack(pictures, out, progress=meanwhile)
    assert load_dataset(f"prepared:{out}").image_shape == (16, 16, 3)


def test_a_disk_that_refuses(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from array_record.python import array_record_module

    class Full:
        def __init__(self, *arguments: object) -> None: ...

        def write(self, record: bytes) -> None:
            raise RuntimeError("write() failed: No space left\non device")

    monkeypatch.setattr(array_record_module, "ArrayRecordWriter", Full)
    with pytest.raises(UserError, match=r"cannot write the shards of .*No space left on device"):
        pack(pictures, tmp_path / "x")
    assert not list(tmp_path.iterdir())


# --- what is wrong with a pack -------------------------------------------------------------------


def test_packs_that_are_refused(pictures: Path, tmp_path: Path) -> None:
    out = pack(pictures, tmp_path / "x.json", image_size=16)
    for name, options, message in (
        ("", {}, "lacks its file: give prepared:FILE"),
        (f"{tmp_path}/none", {}, "does not exist: create it with `tfgan2 prepare`"),
        (f"{tmp_path}", {}, "is a folder: give prepared:FILE, or folder:"),
        ("gs://bucket/x", {}, "is not on this machine"),
        (f"{out}", {"image_size": 32}, "not of 32x32: prepare it again, or give --image-size 16"),
        (f"{out}", {"channels": 4}, "prepare it again without an image size"),
        (f"{out}", {"split": "train"}, "has no splits"),
        (f"{out}", {"classes": ["b"]}, "unknown class 'b'"),
        (f"{out}", {"hold_out": COUNT}, "30 samples, of which 30 cannot be held out"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            load_dataset(f"prepared:{name}", **options)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"unknown dataset .* did you mean 'prepared:/x'"):
        load_dataset("prepred:/x")


def test_damaged_packs_are_told(pictures: Path, tmp_path: Path) -> None:
    out = pack(pictures, tmp_path / "x.json", image_size=16)
    [shard] = (tmp_path / "x.json.shards").iterdir()
    whole, index = shard.read_bytes(), out.read_text()
    shard.write_bytes(whole[:5000] + bytes(8) + whole[5008:])
    with pytest.raises(UserError, match=r"cannot read the shards of .*; prepare it again"):
        load_dataset(f"prepared:{out}")
    streamed = load_dataset(f"prepared:{out}", cache="stream")
    with pytest.raises(tf.errors.OpError, match="cannot read the shards of"):
        take(streamed, COUNT, 1)
    shard.write_bytes(whole[:-9])
    with pytest.raises(UserError, match="is damaged: copy it once more"):
        load_dataset(f"prepared:{out}")
    shard.unlink()
    with pytest.raises(UserError, match="is missing: it belongs to"):
        load_dataset(f"prepared:{out}")
    out.write_text(json.dumps(json.loads(index) | {"tfgan2_prepared": 2}))
    with pytest.raises(UserError, match="another version"):
        load_dataset(f"prepared:{out}")
    for text in ("{", "[]", "{}", index.replace("digest", "digets")):
        out.write_text(text)
        with pytest.raises(UserError, match="or is damaged: prepare it again"):
            load_dataset(f"prepared:{out}")


def test_an_index_that_cannot_be_written_leaves_nothing(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(prepared.Index, "to_json", refuse)
    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        pack(pictures, tmp_path / "out" / "x")
    assert not list((tmp_path / "out").iterdir())
