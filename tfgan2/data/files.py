"""`folder:PATH`, and what all datasets of image files share."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.naming import advice
from tfgan2.data.request import Request, build
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, is_grey, read_image, suffixes

DEFAULT_SIZE = 64
JOINT = "\0"
"""Joins the paths of a sample that consists of several files; no path contains it."""

T = TypeVar("T")


@dataclass
class Files:
    """Samples in the folder `root`, with int32 labels or None, and the names of the labels.

    Paths are relative to the folder, with "/" between their parts; those of the files of one sample
    are joined by `JOINT`. `skipped` receives the paths of the files that cannot be read.
    """

    root: Path
    paths: list[str]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    skipped: list[str] = field(default_factory=list)

    def take(self, indices: Sequence[int] | np.ndarray, labels: np.ndarray | None = None) -> Files:
        """Returns the samples with these indices, and with other labels."""
        return Files(self.root, [self.paths[i] for i in indices], labels)

    @cached_property
    def listing(self) -> bytes:
        """Names and sizes, see `Source.files`; they do not depend on where the folder lies."""
        paths = (path for sample in self.paths for path in sample.split(JOINT))
        return b"".join(
            os.fsencode(path) + b"\0%d\n" % (self.root / path).stat().st_size for path in paths
        )

    def digest(self) -> str:
        """Returns a sha256 of names and sizes."""
        return hashlib.sha256(self.listing).hexdigest()

    def channels(self) -> int:
        """Returns 1 if each of up to 64 files, spread evenly, is grey; else 3."""
        chosen = np.unique(np.linspace(0, len(self.paths) - 1, 64).astype(int))
        grey = {is_grey(self.root / self.paths[i]) for i in chosen} - {None}
        return 1 if grey == {True} else 3

    def read(
        self, read: Callable[[str], T], text: str, request: Request
    ) -> Iterator[tuple[int, T]]:
        """Yields the number and `read(path)` of each sample that can be read.

        At the end raises a UserError if some cannot and are not to be left out, or none can.
        """

        def attempt(path: str) -> T | UnreadableImageError:
            try:
                return read(path)
            except UnreadableImageError as error:
                return error

        reason, total = "", len(self.paths)
        for number, result in enumerate(request.in_threads(attempt, self.paths, text)):
            if isinstance(result, UnreadableImageError):
                reason = reason or str(result)
                self.skipped.append(result.path or self.paths[number])
            else:
                yield number, result
        if self.skipped and not request.skip_unreadable:
            more = f" (and {len(self.skipped) - 1} more of {total})" if self.skipped[1:] else ""
            raise UserError(
                f"cannot read {self.skipped[0]!r}: {reason}{more}; repair or remove it",
                ", or give --skip-unreadable to leave such files out",
            )
        if len(self.skipped) == total:
            raise UserError(
                f"none of the {total} images can be read, the first is {self.skipped[0]!r}: "
                f"{reason}; give another folder"
            )


def load(request: Request) -> ImageDataset:
    """Loads a folder. If all images lie in subfolders, the first level of these are the classes."""
    return load_files(with_classes(existing_folder(request.path, "folder:PATH")), request)


def load_files(files: Files, request: Request, default_size: int = DEFAULT_SIZE) -> ImageDataset:
    """Builds a dataset of image files, each of which is one sample."""
    size = request.image_size or default_size
    shape = (size, size, request.channels or files.channels())

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        source, found = open_files(files.take(numbers, labels), shape, request)
        content = ["folder", found.digest()]
        return ImageDataset(source, request.name, shape, content, skipped=tuple(found.skipped))

    return build(request, len(files.paths), part, known=files.classes, labels=files.labels)


def open_files(
    files: Files,
    shape: tuple[int, int, int],
    request: Request,
    read: Callable[[str], np.ndarray] | None = None,
) -> tuple[Source, Files]:
    """Decodes every file once, so that unreadable ones are found before training starts.

    `read` makes an image of this shape of a sample's path; default: `read_image`. Returns the
    source, and the files that can be read.
    """
    from tfgan2.data.sources import decoded_source, empty_images, memory_source

    root = files.root
    read = read or (lambda path: read_image(root / path, size=shape[0], channels=shape[2]))
    in_memory = request.fits_memory(len(files.paths), shape)
    images = empty_images((len(files.paths) if in_memory else 0, *shape))
    numbers: list[int] = []
    text = "reading images" if in_memory else "checking images"
    for number, image in files.read(read, text, request):
        if in_memory:
            images[len(numbers)] = image
        numbers.append(number)
    if files.skipped:
        labels = None if files.labels is None else files.labels[numbers]
        files = replace(files.take(numbers, labels), skipped=files.skipped)
    if in_memory:
        source = memory_source(images[: len(numbers)], files.labels)
        return replace(source, files=files.listing), files

    def decode(index: int) -> np.ndarray:
        try:
            return read(files.paths[index])
        except UnreadableImageError as error:
            path = error.path or files.paths[index]
            raise UserError(
                f"cannot read {path!r} any more: {error}; restore it, or start a new run"
            ) from error

    source = decoded_source(len(numbers), decode, shape, files.labels)
    return replace(source, files=files.listing), files


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
    """Returns the relative paths of all image files, sorted.

    Links are followed, but not in circles; hidden files are left out. No images: a UserError.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot read folder {error.filename}: {error.strerror}") from error

    paths = []
    for parent, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        folder = Path(parent)
        relative = folder.relative_to(root)
        in_circle = any(map(folder.samefile, folder.parents[: len(relative.parts)]))
        folders[:] = [name for name in folders if not in_circle and not name.startswith(".")]
        paths += [
            (relative / name).as_posix()
            for name in names
            if not (in_circle or name.startswith(".")) and Path(name).suffix.lower() in suffixes()
        ]
    if not paths:
        raise UserError(
            f"folder {str(root)!r} holds no images: give one with .png, .jpg or similar files"
        )
    return sorted(paths)


def with_classes(root: Path) -> Files:
    """Returns all image files; if all lie in subfolders, these are the classes."""
    paths = image_files(root)
    if any("/" not in path for path in paths):
        return Files(root, paths)
    owners = [path.partition("/")[0] for path in paths]
    classes, labels = np.unique(owners, return_inverse=True)
    return Files(root, paths, labels.astype(np.int32), tuple(classes.tolist()))


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
