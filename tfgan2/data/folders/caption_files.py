"""Reads FILE of `captions:FILE`, and finds its images."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tfgan2.data.folders.caption_formats import Entry, folder_names, read_entries
from tfgan2.errors import UserError
from tfgan2.inputs import words


class CaptionedImages(NamedTuple):
    """The folder of the images, their paths in it, and the captions of each."""

    root: Path
    paths: list[str]
    captions: list[list[str]]


def read_captions(path: Path, folder: Path | None = None) -> CaptionedImages:
    """Reads a file of captions, whose images lie in `folder`.

    Without a folder they lie in that of the file, or in one beside it that `folder_names` lists.

    Raises:
        UserError: the file cannot be read, or is empty; an entry cannot be read, lacks something,
            names no existing image, or has a caption without words.
    """
    entries = [checked(entry) for entry in read_entries(path)]
    if not entries:
        raise UserError(f"{path} is empty: give lines with an image and its caption")
    root = folder or _folder(path, entries[0].image)
    on_disk = _finder(root)
    paths = []
    for where, image, _ in entries:
        file = on_disk(image)
        if file is None:
            raise UserError(
                f"{where}: the image {image!r} does not exist; paths are relative to {root}"
                + ("" if folder else f": give captions:{path},DIR for images in another folder")
            )
        paths.append(file)
    return CaptionedImages(root, paths, [entry.captions for entry in entries])


def checked(entry: Entry) -> Entry:
    """Returns an entry with a list of texts; a UserError if it has none."""
    where, image, texts = entry
    texts = [texts] if isinstance(texts, str) else texts
    named = isinstance(image, str) and isinstance(texts, list)
    if not named or not all(isinstance(text, str) for text in texts):
        raise UserError(
            f'{where} has a value that is no text: write {{"image": path, "caption": text or list}}'
        )
    # Half a character, as programs leave that cut texts, could not be written again.
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    if not texts or not all(map(words.split_words, texts)):
        raise UserError(f"{where}: {image!r} has a caption without words")
    return Entry(where, image, texts)


def _folder(path: Path, image: str) -> Path:
    """Returns the first folder that holds an image; that of the file if none does."""
    folders = [Path(os.path.normpath(path.parent / name)) for name in folder_names(path)]
    return next((each for each in folders if _finder(each)(image)), path.parent)


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
