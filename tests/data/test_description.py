"""The lines that a training begins with, for every kind of dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import fit
from PIL import Image

from tfgan2.data import load_dataset
from tfgan2.data.description import classes, describe
from tfgan2.errors import UserError


def lines(name: str, **options: object) -> list[str]:
    return describe(load_dataset(name, **options), can_change=True)


def write(path: Path, dtype: str = "uint8", high: int = 255, number: int = 0) -> None:
    """Writes a ramp, turned so that no number gives a copy of another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.roll(np.linspace(0, high, 64), number).reshape(8, 8)
    Image.fromarray(ramp.astype(dtype)).save(path)


def test_built_in_data() -> None:
    assert lines("digits", classes=["7", "1"], hold_out=100) == [
        "data: digits, 261 images of 16x16x1, 100 held out, in memory",
        "classes: 7 120, 1 141",
    ]
    assert lines("ring8")[0] == "data: ring8, 100,000 points of 1x1x2, in memory"
    assert lines("faces") == ["data: faces, 100 images of 24x24x1, in memory"]
    assert len(lines("digits-captions")) == 1


def test_a_folder(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "cat" / f"{i}.JPG")
        write(tmp_path / "dog" / f"{i}.png", "uint16", 4095)
    write(tmp_path / "dog" / "3.png", "uint16", 4095)
    assert lines(f"folder:{tmp_path}", cache="stream") == [
        f"data: folder:{tmp_path}, 7 images of 64x64x1, streamed",
        "files: 4 .png, 3 .jpg; 16-bit grey (4), 8-bit grey (3); 0 is black, 4095 is white in "
        "16-bit files; --value-range LOW,HIGH sets another range",
        "classes: cat 3, dog 4",
    ]
    dataset = load_dataset(f"folder:{tmp_path}")
    assert "--value-range" not in "".join(describe(dataset, can_change=False))


def test_pairs_and_unpaired_images(tmp_path: Path) -> None:
    for i in range(4):
        write(tmp_path / "A" / f"{i}.png", "uint16", 1023, number=i)
        write(tmp_path / "B" / f"{i}.png", number=i)
    hint = "0 is black, 1023 is white; --value-range LOW,HIGH sets another range"
    deep, plain = f"4 .png; 16-bit grey; {hint}", "4 .png; 8-bit grey"
    name = f"pairs:{tmp_path}"
    assert lines(name, image_size=8, hold_out=1)[:3] == [
        f"data: {name}, 3 pairs of 8x8x1, 1 held out, in memory",
        f"inputs: {deep}",
        f"targets: {plain}",
    ]
    assert lines(name, direction="BtoA")[1:3] == [f"inputs: {plain}", f"targets: {deep}"]
    name = f"unpaired:{tmp_path / 'A'},{tmp_path / 'B'}"
    assert lines(name, image_size=8)[:3] == [
        f"data: {name}, 4 images of 8x8x1 and 4 images of 8x8x1, in memory",
        f"images A: {deep}",
        f"images B: {plain}",
    ]
    name = f"unpaired:{tmp_path / 'B'},{tmp_path / 'B'}"
    assert lines(name)[1] == f"files: {plain}"


def test_captions(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({"image": "a.png", "caption": "a cat"}))
    assert lines(f"captions:{file}")[1] == "files: 1 .png; 8-bit grey"


def test_images_that_are_not_square(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGB", (32, 48)).save(tmp_path / f"{number}.png")
    name = f"folder:{tmp_path}"
    hint = "; they are cropped to squares, --image-size 48x32 keeps them whole"
    assert lines(name)[1].endswith(hint)
    whole = lines(name, image_size="48x32")
    assert "2 images of 48x32x3" in whole[0] and "cropped" not in whole[1]
    Image.new("RGB", (31, 48)).save(tmp_path / "3.png")
    assert "cropped" not in lines(name)[1]


@pytest.mark.parametrize("size", ["4x", "x", "a", "8x8x8", "8.5"])
def test_sizes_are_numbers(size: str) -> None:
    with pytest.raises(UserError, match=f"a height and a width such as 48x32, not '{size}'"):
        load_dataset("digits", image_size=size)


def test_many_classes() -> None:
    names = [f"{i:03d}" for i in range(1000)]
    assert classes(names) == "000, 001, 002, 003, 004, 005, 006, 007, … (1,000 in all)"
    assert classes(names[:2], [1, 2000]) == "000 1, 001 2,000"


def test_a_dry_run_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(4):
        write(tmp_path / "data" / f"{i}.tif", "float32", 30)
    words = f"dcgan --dataset folder:{tmp_path / 'data'} --image-size 8 --batch-size 4 --dry-run"
    assert fit(tmp_path / "run", f"{words} --no-xla --value-range -10,50") == 0
    shown = capsys.readouterr().out
    assert "files: 4 .tif; float grey; -10 is black, 50 is white; --value-range" in shown
    assert '"-10"' in shown
