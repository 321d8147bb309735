"""What a survey finds in image files: formats, colours, and the range of their values."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgan2.images.ranges import BYTES, FLOATS, INTEGERS, range_of
from tfgan2.images.survey import survey


def write(path: Path, values: object, dtype: str) -> Path:
    Image.fromarray(np.resize(np.array(values, dtype), (4, 4))).save(path)
    return path


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        (INTEGERS, 0, 65535, (0, 65535)),
        (INTEGERS, 300, 20000, (0, 65535)),
        (INTEGERS, 0, 4095, (0, 4095)),
        (INTEGERS, 7, 3000, (0, 4095)),
        (INTEGERS, 0, 1, (0, 1)),
        (INTEGERS, 0, 0, (0, 65535)),
        (INTEGERS, -1024, 3071, (-1024, 3071)),  # Hounsfield units
        (INTEGERS, 5, 100_000, (5, 100_000)),
        (FLOATS, 0, 1, (0, 1)),
        (FLOATS, 0, 0.9, (0, 1)),
        (FLOATS, 0, 0.01, (0, 0.01)),
        (FLOATS, 0, 255, (0, 255)),
        (FLOATS, 0.5, 9.5, (0.5, 9.5)),  # depth in metres
        (FLOATS, -1, 1, (-1, 1)),
        (FLOATS, 0, 4095, (0, 4095)),
        (FLOATS, -3, -3, (-3, -2)),
        (BYTES, 0, 255, (0, 255)),
        (BYTES, 10, 16, (0, 255)),
        (BYTES, 0, 1, (0, 1)),
        (BYTES, 0, 5, (0, 7)),
        (BYTES, 0, 0, (0, 255)),
    ],
)
def test_the_range_of_values(kind: str, low: float, high: float, expected: tuple) -> None:
    assert range_of(kind, low, high) == expected


@pytest.mark.parametrize(
    ("suffix", "dtype", "values", "kind", "expected"),
    [
        (".png", "uint16", [[0, 100], [0, 4095]], INTEGERS, (0, 4095)),
        (".png", "uint16", [[0, 100], [0, 50000]], INTEGERS, (0, 65535)),
        (".tif", "int32", [[0, 100], [0, 4095]], INTEGERS, (0, 4095)),
        (".tif", "int32", [[-1000, 100], [0, 2000]], INTEGERS, (-1000, 2000)),
        # Each by itself would be another range.
        (".tif", "float32", [[0, 1], [0, 200]], FLOATS, (0, 255)),
        (".tif", "float32", [[0, 1], [-4, 7.5]], FLOATS, (-4, 7.5)),
        (".tif", "float32", [[0, np.nan], [-4, np.inf]], FLOATS, (-4, 0)),
        (".png", "uint8", [[0, 1], [1, 0]], BYTES, (0, 1)),
        (".png", "uint8", [[0, 1], [15, 0]], BYTES, (0, 15)),
        (".png", "uint8", [[0, 1], [30, 0]], BYTES, None),
    ],
)
def test_one_range_for_all_files(
    tmp_path: Path, suffix: str, dtype: str, values: list, kind: str, expected: tuple | None
) -> None:
    paths = [write(tmp_path / f"{i}{suffix}", each, dtype) for i, each in enumerate(values)]
    assert survey(paths).ranges == ({} if expected is None else {kind: expected})


def test_each_kind_of_file_has_its_range(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a.png", [0, 255], "uint8"),
        write(tmp_path / "b.png", [0, 4095], "uint16"),
        write(tmp_path / "c.TIF", [0, 1], "float32"),
        tmp_path / "broken.png",
    ]
    paths[-1].write_bytes(b"")
    found = survey(paths)
    assert found.ranges == {INTEGERS: (0, 4095), FLOATS: (0, 1)}
    assert found.formats == "2 .png, 1 .tif; 8-bit grey (1), 16-bit grey (1), float grey (1)"
    assert str(found).endswith(
        "; 0 is black, 4095 is white in 16-bit files; 0 is black, 1 is white in float files"
    )
    assert found.grey and found.channels == 1


def test_files_without_a_suffix_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", [0, 255], "uint8")
    for name in ("a", "a.png.1"):
        (tmp_path / name).write_bytes(path.read_bytes())
    found = survey([path, tmp_path / "a", tmp_path / "a.png.1"])
    assert found.formats == "2 without a suffix, 1 .png; 8-bit grey"


def test_given_ranges(tmp_path: Path) -> None:
    given = dict.fromkeys((BYTES, INTEGERS, FLOATS), (0, 30))
    photo = write(tmp_path / "a.png", [0, 255], "uint8")
    mask = write(tmp_path / "b.png", [0, 9], "uint8")
    deep = write(tmp_path / "c.png", [0, 4095], "uint16")
    assert survey([deep], given).ranges == {INTEGERS: (0, 30)}
    assert survey([mask], given).ranges == {BYTES: (0, 30)}
    assert survey([mask, photo, deep], given).ranges == {INTEGERS: (0, 30)}
    assert survey([mask], {BYTES: (0, 4095)}).ranges == {BYTES: (0, 15)}
    assert survey([mask], {BYTES: (0, 255)}).ranges == {BYTES: (0, 255)}
    assert survey([mask, deep]).with_given(given).ranges == {BYTES: (0, 30), INTEGERS: (0, 30)}


def test_dark_colours_count_by_their_brightest_channel(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (0, 0, 200)).save(tmp_path / "blue.png")
    assert survey([tmp_path / "blue.png"]).ranges == {}
    Image.new("RGB", (4, 4), (0, 3, 0)).save(tmp_path / "label.png")
    assert survey([tmp_path / "label.png"]).ranges == {BYTES: (0, 3)}


def test_a_dark_folder_is_said_to_be_dark(tmp_path: Path) -> None:
    dark = write(tmp_path / "a.png", [0, 30], "uint8")
    assert str(survey([dark])) == "1 .png; 8-bit grey; the brightest value is 30 of 255"
    assert str(survey([dark, write(tmp_path / "b.png", [64], "uint8")])) == "2 .png; 8-bit grey"


def test_black_masks_of_one_bit_say_nothing_about_the_others(tmp_path: Path) -> None:
    Image.new("1", (4, 4), 1).save(tmp_path / "a.png")
    paths = [tmp_path / "a.png", write(tmp_path / "b.png", [0, 1], "uint8")]
    assert survey(paths).ranges == {BYTES: (0, 1)}


def test_colour_of_16_bits_is_named(tmp_path: Path) -> None:
    """Pillow reads 8 of them."""
    rows = b"".join(b"\0" + np.full((4, 3), 40_000, ">u2").tobytes() for _ in range(4))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        content += struct.pack(">I", len(data)) + name + data + checksum
    path = tmp_path / "x.png"
    path.write_bytes(content)
    assert survey([path]).formats == "1 .png; 16-bit RGB, of which 8 bits are read"


def test_a_truncated_file_counts_by_its_header(tmp_path: Path) -> None:
    grey, colour = write(tmp_path / "a.png", [0, 255], "uint8"), tmp_path / "b.png"
    Image.effect_noise((40, 40), 50).convert("RGB").save(colour)
    colour.write_bytes(colour.read_bytes()[:400])
    for paths in ([colour], [grey, colour], [colour, grey]):
        found = survey(paths)
        assert found.channels == 3 and "8-bit RGB" in found.formats


def test_grey(tmp_path: Path) -> None:
    def is_grey(image: Image.Image) -> bool:
        image.save(tmp_path / "x.png")
        return survey([tmp_path / "x.png"]).grey

    assert is_grey(Image.new("L", (4, 4), 3))
    assert is_grey(Image.new("LA", (4, 4), (3, 9)))
    assert is_grey(Image.new("I;16", (4, 4), 3))
    assert not is_grey(Image.new("RGB", (4, 4), (1, 1, 1)))
    palette = Image.new("P", (4, 4))
    palette.putpalette([5, 5, 5, 9, 9, 9])
    assert is_grey(palette)
    palette.putpalette([5, 5, 5, 9, 9, 0])
    assert not is_grey(palette)
    assert not survey([]).grey
