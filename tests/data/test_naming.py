"""Paths and URLs that are given in place of a dataset's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tfgan2.data import absolute_name, load_dataset
from tfgan2.data.naming import advice_for_kind, check_name
from tfgan2.errors import UserError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    images = ("pics", "my pics", "sides/A", "sides/B", "two/trainA", "two/trainB", "told")
    for folder in images:
        (tmp_path / folder).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / folder / "0.png")
    (tmp_path / "told" / "c.jsonl").touch()
    for name in ("x.zip", "x.tar.gz", "data.npz", "data.tfrecord", "pics/t.parquet", "a.out"):
        (tmp_path / name).touch()
    (tmp_path / "index.json").write_text('{"tfgan2_prepared": 1}')
    return tmp_path


PATHS = {
    "./pics": "'./pics' is a path, not the name of a dataset: give folder:./pics",
    "pics": "unknown dataset 'pics': give folder:pics",
    "{here}/pics": "give folder:{here}/pics",
    "~/pics": "give 'folder:~/pics'",
    "$HOME/pics": "give folder:{here}/pics",
    "sides": "give folder:sides, or pairs:sides",
    "'my pics'": "give 'folder:my pics'",
    "C:\\data\\pics": "'C:\\data\\pics' is a path, not the name of a dataset: no such file",
    "C:/data/pics": "no such file or folder here; give folder:PATH",
    "x.zip": "unpack it, and give folder:DIR",
    "folder:x.tar.gz": "'x.tar.gz' is a file: unpack it, and give folder:DIR",
    "pairs:x.zip": "unpack it, and give folder:DIR",
    "told/c.jsonl": "give captions:told/c.jsonl",
    "folder:told/c.jsonl": "'told/c.jsonl' is a file: give captions:told/c.jsonl",
    "captions:told": "'told' is a folder: give captions:told/c.jsonl",
    "captions:x.tar.gz": "'x.tar.gz' is an archive: unpack it, and give captions:FILE",
    "captions:pics": "'pics' is a folder: give captions:pics/FILE",
    "index.json": "give prepared:index.json",
    "folder:index.json": "'index.json' is a file: give prepared:index.json",
    "prepared:pics": "'pics' is a folder: give prepared:FILE, or folder:pics",
    "folder:pics/0.png": "is a file: give folder:pics, the folder that contains it",
    "folder:a.out": "is a file: give folder:DIR with a folder of image files",
    "folder:data.npz": "is a file: save its images as .png files, or give tfgan2.fit a tf.data.",
    "data.tfrecord": "unknown dataset 'data.tfrecord': save its images as .png files, or give tfg",
    "pics/t.parquet": "unknown dataset 'pics/t.parquet': give hf:pics, the folder that contains it",
    "folder:pics ": "'pics ' does not exist: did you mean folder:pics?",
    "folder:'my pics'": "does not exist: did you mean folder:my pics?",
    "folder:file://{here}/my%20pics": "did you mean folder:{here}/my pics?",
    "file://{here}/pics": "give folder:{here}/pics",
    "gs://bucket/pics": "copy it here, and give folder:PATH",
    "folder:gs://bucket/pics": "is not on this machine: copy it here",
    "https://example.org/pics.zip": "copy it here, and give folder:PATH",
    "cifar-10": "did you mean 'cifar10'",
    "horse2zebra": "did you mean 'cycle_gan/horse2zebra'",
}


@pytest.mark.parametrize(("name", "message"), PATHS.items(), ids=PATHS)
def test_the_right_form_is_named(here: Path, name: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load_dataset(name.format(here=here))
    assert message.format(here=here) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("./sides", "pairs", "give pairs:./sides"),
        ("two", "unpaired", "give unpaired:two"),
        ("pics", "unpaired", "give unpaired:pics"),
        ("told", "captions", "give captions:told/c.jsonl"),
        ("sides", "images", "give folder:sides"),
        ("folder:sides", "pairs", "give pairs:sides"),
        ("digits", "pairs", "give pairs:DIR"),
    ],
)
def test_the_form_that_a_flavour_needs(here: Path, name: str, kind: str, expected: str) -> None:
    assert advice_for_kind(name, kind) == expected


@pytest.mark.parametrize("name", ["digits", "emnist/letters", "tiny:1.0.0", "pics", "folder:pics"])
def test_names_are_no_paths(here: Path, name: str) -> None:
    check_name(name, "images")


def test_quotes_are_seen_before_a_path_becomes_absolute(here: Path) -> None:
    with pytest.raises(UserError, match="did you mean folder:my pics"):
        absolute_name('folder:"my pics"')


@pytest.mark.parametrize("name", [None, 3, Path("pics"), ["digits"]])
def test_a_name_is_a_text(name: Any) -> None:
    with pytest.raises(
        UserError, match="such as 'digits' or 'folder:PATH', not by a value of type"
    ):
        load_dataset(name)
