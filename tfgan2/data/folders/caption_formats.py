"""The formats of FILE in `captions:FILE`: JSON lines, a list, tables, and COCO's annotations."""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tfgan2.errors import UserError

_FORM = 'write {"image": path, "caption": text or list}'
_IMAGE = ("image", "file_name", "filename", "image_name", "image_path", "file", "path", "filepath")
_CAPTION = ("caption", "captions", "text", "comment", "sentence", "sentences", "description")
TABLES = {".csv", ".tsv", ".txt", ".token"}
# Between entries; those of a JSON list and byte order marks of joined files are read, too.
_BETWEEN = re.compile(r"[\s,\[\]\ufeff]*")
# Flickr8k and Flickr30k number the captions of an image.
_NUMBERED = re.compile(r"#\d+$")


class Entry(NamedTuple):
    """A line of the file, by number, and what it says; the values may be of any type."""

    where: str
    image: Any
    captions: Any


def read_entries(path: Path) -> Iterator[Entry]:
    """Yields the entries of a file; a UserError if it cannot be read or understood."""
    text = _text(path)
    if path.suffix.lower() in TABLES and not text.lstrip("\ufeff \r\n").startswith(("{", "[")):
        yield from _table(path, text.lstrip("\ufeff"))
        return
    for number, (where, value) in enumerate(_values(path, text)):
        if not number and isinstance(value, dict) and {"images", "annotations"} <= value.keys():
            yield from _coco(where, value)
            return
        named = value if isinstance(value, dict) else {}
        image, caption = _first(named, _IMAGE), _first(named, _CAPTION)
        if image is None or caption is None:
            found = textwrap.shorten(", ".join(map(json.dumps, named)), 100, placeholder="…")
            raise UserError(f"{where} has {found or 'no names'}: {_FORM}")
        yield Entry(where, named[image], named[caption])


def folder_names(path: Path) -> list[str]:
    """Returns where images may lie, relative to the file's folder, the likeliest first."""
    # COCO has annotations/captions_train2017.json beside train2017.
    beside = [path.stem.partition("_")[2]] if "_" in path.stem else []
    names = [*beside, "images", "Images"]
    return [".", *names, *(f"../{name}" for name in names), ".."]


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    encoding = json.detect_encoding(content)  # UTF-8, UTF-16 or UTF-32, with or without a mark
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line, kind = content[: error.start].count(b"\n") + 1, encoding.upper()[:6].rstrip("-")
        raise UserError(f"{path}, line {line} is not {kind}: save the file as UTF-8") from error


def _values(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Yields the place and the value of each JSON value, whether there is one in a line or not."""
    decode, line, counted = json.JSONDecoder().raw_decode, 1, 0
    start = _BETWEEN.match(text).end()  # type: ignore[union-attr]
    while start < len(text):
        line, counted = line + text.count("\n", counted, start), start
        where = f"{path}, line {line}"
        try:
            value, end = decode(text, start)
        except (ValueError, RecursionError) as error:
            reason = str(error).partition(":")[0]
            raise UserError(f"{where} is not JSON ({reason}): {_FORM}") from None
        yield where, value
        start = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]


def _coco(where: str, content: dict[str, Any]) -> Iterator[Entry]:
    """Yields the captions of COCO's annotations, in the order of the images."""
    try:
        captions: dict[Any, list[Any]] = {item["id"]: [] for item in content["images"]}
        for item in content["annotations"]:
            captions[item["image_id"]].append(item["caption"])
        files = {item["id"]: item["file_name"] for item in content["images"]}
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{where} has annotations as COCO, but not its captions ({error}): give a file such as "
            "captions_train2017.json"
        ) from None
    yield from (Entry(where, files[key], texts) for key, texts in captions.items() if texts)


def _table(path: Path, text: str) -> Iterator[Entry]:
    """Yields the rows of a table, whose first row names the columns, or of two columns."""
    lines = text.splitlines()
    delimiter = max("\t|;,", key=lambda character: (lines or [""])[0].count(character))
    # Flickr30k's separators are no quoting format: its texts have quotes anywhere.
    quoting: Any = csv.QUOTE_MINIMAL if delimiter in ",;" else csv.QUOTE_NONE
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, delimiter=delimiter, quoting=quoting, skipinitialspace=True)
    columns: tuple[int, int] | None = None
    width = 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            where = f"{path}, line {reader.line_num}"
            if columns is None:
                columns, width = _columns(where, cells), len(cells)
                if columns[1] >= 0:
                    continue
                columns = (0, 1)
            if len(cells) <= max(columns):
                raise UserError(f"{where} has {len(cells)} columns: give each image its caption")
            if any(cells[width:]):  # of a caption only the part before the delimiter would be read
                remedy = "leave it out" if quoting == csv.QUOTE_NONE else "put it in quotes"
                raise UserError(
                    f"{where} has {len(cells)} columns, the first line has {width}: if "
                    f"{delimiter!r} is part of a caption, {remedy}"
                )
            yield Entry(where, _NUMBERED.sub("", cells[columns[0]]), cells[columns[1]])
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num} is no table: {error}") from None


def _columns(where: str, cells: Sequence[str]) -> tuple[int, int]:
    """Returns the numbers of the columns; -1 for the captions if the first row names none."""
    names = [cell.lower() for cell in cells]
    image, caption = _first(names, _IMAGE), _first(names, _CAPTION)
    if image is not None and caption is not None:
        return names.index(image), names.index(caption)
    if len(cells) == 2 and image is None and caption is None:
        return 0, -1
    found = textwrap.shorten(", ".join(cells), 100, placeholder="…")
    raise UserError(f"{where} has {found}: name the columns image and caption in the first line")


def _first(names: Any, known: Sequence[str]) -> str | None:
    return next((name for name in known if name in names), None)
