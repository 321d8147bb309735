"""Finds the image files in a folder, and names those that cannot be read."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tfgan2.data.naming import advice
from tfgan2.errors import UserError, warn
from tfgan2.images.files import kind_left_out
from tfgan2.images.formats import SYSTEM_NAMES, count_kinds, packages_for


def existing_folder(path: str, form: str) -> Path:
    """Returns the folder in a dataset's name, which has a form such as "folder:PATH"."""
    if not path:
        raise UserError(f"{form.partition(':')[0]}: lacks its path: give {form}")
    root = Path(path).expanduser()
    if not root.exists():
        raise UserError(f"folder {path!r} does not exist: give {form} with an existing folder")
    if not root.is_dir():
        raise UserError(f"{path!r} is a file: {advice(path)}")
    return root


def image_files(root: Path) -> list[str]:
    """Returns the relative paths of all image files, sorted; no images: a UserError.

    Links are followed, but not in circles; hidden files are left out. Warns of other files that may
    be images, but are of types that cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot read folder {error.filename}: {error.strerror}") from error

    paths, left_out = [], Counter[str]()
    for parent, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        folder = Path(parent)
        relative = folder.relative_to(root)
        in_circle = any(map(folder.samefile, folder.parents[: len(relative.parts)]))
        folders[:] = [name for name in folders if not (in_circle or _is_system(name))]
        for name in names:
            if in_circle or _is_system(name):
                continue
            if kind := kind_left_out(folder / name):
                left_out[kind] += 1
            elif kind is None:
                paths.append((relative / name).as_posix())
    counts, packages = count_kinds(left_out), packages_for(left_out)
    if left_out and not paths:
        remedies = ", or ".join([*packages, "convert them to .png or .jpg"])
        raise UserError(
            f"folder {str(root)!r} holds no images that can be read: {counts}; {remedies}"
        )
    if not paths:
        raise UserError(
            f"folder {str(root)!r} holds no images: give one with .png, .jpg or similar files"
        )
    if total := left_out.total():
        files = "1 file of a type" if total == 1 else f"{total:,} files of types"
        what = "; ".join([counts, *packages])
        warn(f"left out {files} that cannot be read here: {what} (in {str(root)!r})")
    return sorted(paths)


def _is_system(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_NAMES


def by_stem(paths: Sequence[str]) -> dict[str, str]:
    """Returns relative paths of image files by their paths without suffix, which must differ.

    These are composed (NFC): on some disks names are, on others their accents stand alone.
    """
    found: dict[str, str] = {}
    for path in paths:
        stem = unicodedata.normalize("NFC", PurePosixPath(path).with_suffix("").as_posix())
        if stem in found:
            raise UserError(f"{found[stem]!r} and {path!r} are both called {stem!r}: rename one")
        found[stem] = path
    return found
