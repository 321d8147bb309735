"""Which formats can be read, and how files of others are counted."""

from __future__ import annotations

import io
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgan2.images import formats
from tfgan2.images.files import UnknownFormatError, open_image, read_image


@pytest.fixture
def without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow without pillow-heif, whether it is installed or not."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    others = {suffix: name for suffix, name in Image.EXTENSION.items() if name != "HEIF"}
    monkeypatch.setattr(Image, "EXTENSION", others)
    cached = formats.formats, formats.suffixes
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def test_suffixes() -> None:
    assert {".png", ".jpg", ".mpo", ".webp", ".gif", ".bmp", ".tif"} <= formats.suffixes()
    assert not {".pdf", ".mpg", ".h5", ".eps", ".txt"} & formats.suffixes()


def test_counts_name_the_most_common_types() -> None:
    kinds = Counter({".heic": 1200, ".svg": 2, **{f".{letter}": 1 for letter in "abcdefgh"}})
    assert formats.count_kinds(kinds) == (
        "1,200 .heic, 2 .svg, 1 .a, 1 .b, 1 .c, 1 .d, 1 .e, 1 .f, 2 of 2 other types"
    )
    assert formats.packages_for(kinds) == ["pip install pillow-heif to read .heic"]
    assert formats.packages_for([".avif"]) == ["pip install -U pillow to read .avif"]


def test_without_pillow_heif_the_package_is_named(without_heic: None) -> None:
    assert ".heic" not in formats.suffixes()
    with pytest.raises(UnknownFormatError, match="HEIC data: to read it, pip install pillow-heif"):
        open_image(b"\0\0\0\x18ftypheic" + bytes(99))


def test_with_pillow_heif_heic_is_read(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    assert {".heic", ".heif"} <= formats.suffixes()
    assert formats.common_formats()["HEIF"] == "HEIC"
    pillow_heif.register_heif_opener()
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "HEIF", quality=95)
    (tmp_path / "x.HEIC").write_bytes(buffer.getvalue())
    read = read_image(tmp_path / "x.HEIC", size=32, channels=1)[..., 0].astype(int)
    assert abs(read[:12].mean() - 200) < 9 and read[20:].mean() < 9
    with pytest.raises(UnknownFormatError, match="HEIC data that is broken"):
        open_image(buffer.getvalue()[:100])
