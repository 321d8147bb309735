"""Which image files can be read here, and what the other files are."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Collection
from functools import cache
from pathlib import Path

from PIL import Image

COMMON = {
    "PNG": "PNG",
    "JPEG": "JPEG",
    "WEBP": "WebP",
    "GIF": "GIF",
    "BMP": "BMP",
    "TIFF": "TIFF",
    "AVIF": "AVIF",
    "HEIF": "HEIC",
    "JPEG2000": "JPEG 2000",
    "PPM": "PPM",
}
"""Pillow's names of formats that are known by their first bytes, and what people call them."""

_BESIDE = """
.aae .bat .bib .cfg .conf .css .csv .doc .docx .htm .html .ini .ipynb .js .json .jsonl .list .lnk
.log .lst .md .md5 .names .py .rst .rtf .sh .sha1 .sha256 .tex .toml .tsv .txt .url .xls .xlsx
.xml .xmp .yaml .yml
"""
COMPANIONS = frozenset(_BESIDE.split())
"""Suffixes of files that lie beside images and hold none."""

SYSTEM_NAMES = frozenset(
    {
        *("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information"),
        *("Thumbs.db", "ehthumbs.db"),
    }
)
"""Files and folders of operating systems, which hold no images of the user."""

_MOST_KINDS = 8
NO_SUFFIX = "without a suffix"

# Formats that Pillow recognises but cannot decode itself.
_UNDECODABLE = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
_HEIC = frozenset((".heic", ".heif", ".hif", ".heics", ".heifs"))

_CONTENTS = tuple(
    (re.compile(form, re.DOTALL | re.IGNORECASE), text)
    for form, text in (
        (
            rb".{4}ftyp(hei|hev|mif1|msf1)",
            "HEIC data: to read it, pip install pillow-heif",
        ),
        (rb".{4}ftypavi", "AVIF data: to read it, pip install -U pillow"),
        (rb".{4}ftyp", "a video, or camera raw data"),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL data, which cannot be read here"),
        (rb".{128}DICM", "DICOM data, which cannot be read here"),
        (rb"\s*(<!doctype html|<html)", "a web page, not an image"),
        (rb"\s*(<\?xml.*)?<svg", "an SVG drawing, which cannot be read here"),
        (rb"%PDF|%!PS", "a PDF or PostScript document, which cannot be read here"),
        (rb"version https://git-lfs", "a pointer of Git LFS, not an image: run git lfs pull"),
    )
)


@cache
def formats() -> tuple[str, ...]:
    """Returns Pillow's names of the formats that can be read here, in the order of trying.

    HEIC is among them if pillow-heif is installed.
    """
    Image.preinit()  # the most common formats first
    Image.init()
    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(name for name in Image.ID if name not in _UNDECODABLE)


def common_formats() -> dict[str, str]:
    """Returns those of `COMMON` that can be read here."""
    readable = {*formats()} & {*Image.registered_extensions().values()}  # AVIF if it is decoded
    return {name: called for name, called in COMMON.items() if name in readable}


@cache
def suffixes() -> frozenset[str]:
    """Returns the suffixes of files that can be read here, in lower case with their dot."""
    readable = {*formats(), "MPO"}  # JPEG with several images, which the reader of JPEG opens
    return frozenset(
        suffix for suffix, name in Image.registered_extensions().items() if name in readable
    )


def suffix_of(name: str) -> str:
    """Returns the suffix in lower case; "" also for one of digits, as of IMG_2024.06 or x.jpg.1."""
    suffix = Path(name).suffix.lower()
    return "" if suffix[1:].isdigit() else suffix


def is_text(path: Path) -> bool:
    """Returns whether a file begins like a text, or is empty."""
    with path.open("rb") as file:
        return b"\0" not in file.read(512)


def describe(head: bytes, kinds: tuple[str, ...]) -> str:
    """Says what a file is, from its first 512 bytes, that is no image of these kinds."""
    if not head:
        return "empty file"
    start = head[:16].ljust(16, b"\0")
    for name in formats():
        accept = Image.OPEN[name][1]
        if accept is not None and accept(start) is True:
            broken = " that is broken, or of an unusual kind" if name in kinds else ""
            return f"{COMMON.get(name, name)} data{broken}"
    return next((text for form, text in _CONTENTS if form.match(head)), "not an image")


def count_kinds(kinds: Counter[str]) -> str:
    """Counts files that cannot be read here: "3 .heic, 1 .svg"."""
    first, others = kinds.most_common(_MOST_KINDS), kinds.most_common()[_MOST_KINDS:]
    counts = ", ".join(f"{count:,} {kind}" for kind, count in first)
    return counts + (
        f", {sum(count for _, count in others):,} of {len(others)} other types" if others else ""
    )


def packages_for(kinds: Collection[str]) -> list[str]:
    """Says for suffixes which package reads them, if there is one."""
    readers = (_HEIC, "pillow-heif"), ({".avif"}, "-U pillow")
    return [
        f"pip install {package} to read {found[0]}"
        for known, package in readers
        if (found := sorted(known.intersection(kinds)))
    ]
