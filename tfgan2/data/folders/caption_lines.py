"""Reads FILE of `captions:FILE.jsonl`."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from tfgan2.errors import UserError
from tfgan2.inputs import words

_FORM = 'write {"image": path, "caption": text or list}'
# Between entries; those of a JSON list and byte order marks of joined files are read, too.
_BETWEEN = re.compile(r"[\s,\[\]\ufeff]*")


def read_lines(path: Path) -> tuple[list[str], list[list[str]]]:
    """Returns the paths of the images, relative to the file's folder, and the captions of each.

    Raises:
        UserError: the file cannot be read, or is empty; an entry is not JSON, lacks something,
            names no existing image, or has a caption without words.
    """
    paths, captions = [], []
    on_disk = _finder(path.parent)
    for where, entry in _entries(path):
        if not isinstance(entry, dict) or not {"image", "caption"} <= entry.keys():
            keys = ", ".join(map(json.dumps, entry)) if isinstance(entry, dict) else ""
            found = textwrap.shorten(keys, 100, placeholder="…") or "no names"
            raise UserError(f"{where} has {found}: {_FORM}")
        image, texts = entry["image"], entry["caption"]
        texts = [texts] if isinstance(texts, str) else texts
        named = isinstance(image, str) and isinstance(texts, list)
        if not named or not all(isinstance(text, str) for text in texts):
            raise UserError(f"{where} has a value that is no text: {_FORM}")
        # Half a character, as programs leave that cut texts, could not be written again.
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        if not texts or not all(map(words.split_words, texts)):
            raise UserError(f"{where}: {image!r} has a caption without words")
        file = on_disk(image)
        if file is None:
            raise UserError(
                f"{where}: the image {image!r} does not exist; paths are relative to {path.parent}"
            )
        paths.append(file)
        captions.append(texts)
    if not paths:
        raise UserError(f"{path} is empty: give lines with an image and its caption")
    return paths, captions


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields the place and the value of each entry, whether there is one in a line or not."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    encoding = json.detect_encoding(content)  # UTF-8, UTF-16 or UTF-32, with or without a mark
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line, kind = content[: error.start].count(b"\n") + 1, encoding.upper()[:6].rstrip("-")
        raise UserError(f"{path}, line {line} is not {kind}: save the file as UTF-8") from error
    decode, line, counted = json.JSONDecoder().raw_decode, 1, 0
    start = _BETWEEN.match(text).end()  # type: ignore[union-attr]
    while start < len(text):
        line, counted = line + text.count("\n", counted, start), start
        where = f"{path}, line {line}"
        try:
            entry, end = decode(text, start)
        except (ValueError, RecursionError) as error:
            reason = str(error).partition(":")[0]
            raise UserError(f"{where} is not JSON ({reason}): {_FORM}") from None
        yield where, entry
        start = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]


def _finder(root: Path) -> Callable[[str], str | None]:
    """Returns a function that spells a path in `root` as the disk does; None: no such file.

    Names may be composed there and decomposed here (NFC, NFD), and have the slashes of Windows.
    """

    @cache
    def names(folder: Path) -> dict[str, str]:
        return {unicodedata.normalize("NFC", path.name): path.name for path in folder.iterdir()}

    def find(image: str) -> str | None:
        try:
            if (root / image).is_file():
                return image
            spelled = PurePosixPath()
            for part in PurePosixPath(image.replace("\\", "/")).parts:
                known = names(root / spelled)
                spelled /= known.get(unicodedata.normalize("NFC", part), part)
            return str(spelled) if (root / spelled).is_file() else None
        except OSError:  # no such folder, or a name that is too long
            return None

    return find
