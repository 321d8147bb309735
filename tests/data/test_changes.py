"""What a run says when its data are not those that it began with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tfgan2.data import changes, load_dataset


def write(path: Path, value: int, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (size, size), value).save(path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for side in "ab":
        for number in range(6):
            write(tmp_path / "images" / side / f"{number}.png", 10 * number)
    lines = [{"image": f"a/{i}.png", "caption": f"number {i}"} for i in range(6)]
    text = "\n".join(map(json.dumps, lines))
    (tmp_path / "images" / "captions.jsonl").write_text(text)
    return tmp_path / "images"


def remove(images: Path) -> None:
    for number in range(5):
        (images / "a" / f"{number}.png").unlink()


def change(images: Path) -> None:
    for number in range(5):
        write(images / "a" / f"{number}.png", number, size=100)


def rewrite(images: Path) -> None:
    path = images / "captions.jsonl"
    path.write_text(path.read_text().replace("number 3", "seven 3"))


FORMS = {
    "folder": "folder:{}",
    "unpaired": "unpaired:{}/a,{}/b",
    "captions": "captions:{}/captions.jsonl",
}
CHANGES = {
    "missing": (
        "folder",
        remove,
        "5 of 12 files are missing ('a/0.png', 'a/1.png', 'a/2.png', …)",
    ),
    "new": (
        "folder",
        lambda images: write(images / "b" / "six.png", 9),
        "1 of 13 files is new ('b/six.png')",
    ),
    "other sizes": ("folder", change, "'a/0.png' has {new} bytes, it had {old}"),
    "renamed": (
        "folder",
        lambda images: (images / "b" / "5.png").rename(images / "b" / "x.png"),
        "1 of 12 files is missing ('b/5.png'); 1 of 12 files is new ('b/x.png')",
    ),
    "one side": (
        "unpaired",
        lambda images: (images / "b" / "5.png").unlink(),
        "1 of 12 files is missing ('B/5.png')",
    ),
    "captions": ("captions", rewrite, 'content: "seven 3", before "number 3"'),
}


@pytest.mark.parametrize(("form", "damage", "message"), CHANGES.values(), ids=CHANGES)
def test_what_differs_is_named(
    images: Path, tmp_path: Path, form: str, damage: Callable[[Path], object], message: str
) -> None:
    def load(root: Path) -> object:
        options = {"hold_out": 0 if form == "unpaired" else 2, "image_size": 8}
        return load_dataset(FORMS[form].format(root, root), **options)

    run = tmp_path / "run"
    run.mkdir()
    before = load(images)
    changes.keep(run, before)
    moved = shutil.move(images, tmp_path / "moved")
    assert load(moved).fingerprint == before.fingerprint
    sizes = {"old": (moved / "a" / "0.png").stat().st_size}
    damage(moved)
    if (moved / "a" / "0.png").exists():
        sizes["new"] = (moved / "a" / "0.png").stat().st_size
    after = load(moved)
    assert after.fingerprint != before.fingerprint
    told = changes.differences(run, before.facts, after)
    assert message.format(**sizes) in told and "\n" not in told
    (run / changes.FILE).unlink()  # as in a run of an earlier version
    assert changes.differences(run, before.facts, after)


def test_another_size_or_class(images: Path, tmp_path: Path) -> None:
    before = load_dataset(f"folder:{images}", image_size=8)
    changes.keep(tmp_path, before)
    larger = load_dataset(f"folder:{images}", image_size=16)
    assert changes.differences(tmp_path, before.facts, larger).startswith("image shape: 16, before")


def test_what_is_kept_stays_small(images: Path, tmp_path: Path) -> None:
    for number in range(1000):
        write(images / "a" / f"image-{number:06d}.png", number % 256, size=4)
    changes.keep(tmp_path, load_dataset(f"folder:{images}", image_size=8))
    assert (tmp_path / changes.FILE).stat().st_size < 10_000
