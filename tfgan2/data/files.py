"""Image files in a folder: finding, naming and labelling them. Imports no TensorFlow."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from tfgan2.errors import UserError
from tfgan2.images.files import is_grey, suffixes

JOINT = "\0"
"""Joins the paths of a sample that consists of several files; no path contains it."""

_HEADERS = 64
"""Number of files that decide on grey or colour."""


@dataclass
class Files:
    """Samples in a folder.

    Attributes:
        root: the folder.
        paths: relative to it, with "/" between their parts; the files of one sample are joined by
            `JOINT`.
        labels: int32, shape (N,), or None.
    """

    root: Path
    paths: list[str]
    labels: np.ndarray | None = None

    def take(self, indices: np.ndarray) -> Files:
        """Returns the samples with these indices."""
        labels = None if self.labels is None else self.labels[indices]
        return Files(self.root, [self.paths[i] for i in indices], labels)

    def digest(self) -> str:
        """Returns a sha256 of names and sizes; it does not depend on where the folder lies."""
        digest = hashlib.sha256()
        for sample in self.paths:
            for path in sample.split(JOINT):
                digest.update(os.fsencode(path) + b"\0%d\n" % (self.root / path).stat().st_size)
        return digest.hexdigest()

    def channels(self) -> int:
        """Returns 1 if each of up to 64 files, spread evenly, is grey; else 3."""
        chosen = np.unique(np.linspace(0, len(self.paths) - 1, _HEADERS).astype(int))
        grey = {is_grey(self.root / self.paths[i]) for i in chosen} - {None}
        return 1 if grey == {True} else 3


def existing_folder(path: str, form: str) -> Path:
    """Returns the folder in a dataset's name.

    Args:
        path: as the user gave it.
        form: the form of the name, for example "folder:PATH".

    Raises:
        UserError: there is no such folder.
    """
    if not path:
        raise UserError(f"{form.partition(':')[0]}: lacks its path: give {form}")
    root = Path(path).expanduser()
    if not root.exists():
        raise UserError(f"folder {path!r} does not exist: give {form} with an existing folder")
    if not root.is_dir():
        raise UserError(f"{path!r} is a file: give {form} with the folder that contains it")
    return root


def image_files(root: Path) -> list[str]:
    """Returns the relative paths of all image files, sorted.

    Links are followed; hidden files are left out.

    Raises:
        UserError: there is none, or a folder cannot be read.
    """
    paths = sorted(_walk(root))
    if not paths:
        raise UserError(
            f"folder {str(root)!r} holds no images: give one with .png, .jpg or similar files"
        )
    return paths


def with_classes(root: Path) -> tuple[list[str], Files]:
    """Returns the classes, [] where there are none, and all image files, in a fixed order.

    If all images lie in subfolders, the first level of these are the classes.
    """
    paths = image_files(root)
    if any("/" not in path for path in paths):
        return [], Files(root, paths)
    owners = [path.partition("/")[0] for path in paths]
    labels = {name: label for label, name in enumerate(sorted(set(owners)))}
    return list(labels), Files(root, paths, np.array([labels[o] for o in owners], np.int32))


def by_stem(paths: Sequence[str]) -> dict[str, str]:
    """Returns relative paths of image files by their paths without suffix.

    Raises:
        UserError: two are equal.
    """
    stems = [PurePosixPath(path).with_suffix("").as_posix() for path in paths]
    for stem, times in Counter(stems).items():
        if times > 1:
            path = paths[stems.index(stem)]
            raise UserError(f"{times} images are called {stem!r}, such as {path!r}: rename one")
    return dict(zip(stems, paths, strict=True))


def refuse_unreadable(paths: Sequence[str], reason: str, total: int, *, skip: bool) -> None:
    """Raises a UserError if files cannot be read and are not to be skipped, or if none can.

    Args:
        paths: the files that cannot be read.
        reason: why the first of them cannot.
        total: number of all files.
        skip: whether unreadable files may be left out.
    """
    if paths and not skip:
        others = f" (and {len(paths) - 1} more of {total})" if len(paths) > 1 else ""
        raise UserError(
            f"cannot read {paths[0]!r}: {reason}{others}; repair or remove it, "
            "or give --skip-unreadable to leave such files out"
        )
    if len(paths) == total:
        raise UserError(
            f"none of the {total} images can be read, the first is "
            f"{paths[0]!r}: {reason}; give another folder"
        )


def _walk(root: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise UserError(f"cannot read folder {error.filename}: {error.strerror}") from error

    for parent, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        if _is_loop(Path(parent), root):
            folders.clear()
            continue
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        relative = Path(parent).relative_to(root)
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes():
                yield (relative / name).as_posix()


def _is_loop(folder: Path, root: Path) -> bool:
    """Returns whether links have led from a folder back into itself."""
    depth = len(folder.relative_to(root).parts)
    return any(folder.samefile(above) for above in folder.parents[:depth])
