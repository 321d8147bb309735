"""`folder:PATH`, and what all datasets of image files share."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.request import Request, build
from tfgan2.errors import UserError, warn
from tfgan2.images.files import UnreadableImageError, is_grey, kind_left_out, read_image
from tfgan2.images.formats import SYSTEM_NAMES, count_kinds, packages_for
from tfgan2.images.hearing import hearing

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

    def digest(self) -> str:
        """Returns a sha256 of names and sizes; it does not depend on where the folder lies."""
        digest = hashlib.sha256()
        for sample in self.paths:
            for path in sample.split(JOINT):
                digest.update(os.fsencode(path) + b"\0%d\n" % (self.root / path).stat().st_size)
        return digest.hexdigest()

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

        def attempt(path: str) -> tuple[T | UnreadableImageError, list[str]]:
            with hearing() as messages:
                try:
                    return read(path), messages
                except UnreadableImageError as error:
                    return error, messages

        reason, warned, noisy, total = "", "", 0, len(self.paths)
        results = request.in_threads(attempt, self.paths, text)
        for number, (result, messages) in enumerate(results):
            if isinstance(result, UnreadableImageError):
                reason = reason or str(result)
                self.skipped.append(result.path or self.paths[number])
                continue
            if messages:
                noisy += 1
                path = self.paths[number].replace(JOINT, " and ")
                warned = warned or f"{path!r}: {messages[0]}"
            yield number, result
        if self.skipped and not request.skip_unreadable:
            more = f" (and {len(self.skipped) - 1} more of {total})" if self.skipped[1:] else ""
            raise UserError(
                f"cannot read {self.skipped[0]!r}: {reason}{more}; repair or remove it, or give "
                "--skip-unreadable to leave such files out"
            )
        if len(self.skipped) == total:
            raise UserError(
                f"none of the {total} images can be read, the first is {self.skipped[0]!r}: "
                f"{reason}; give another folder"
            )
        if self.skipped:
            warn(
                f"left out {len(self.skipped):,} of {total:,} files that cannot be read, the first "
                f"is {self.skipped[0]!r}: {reason}"
            )
        if noisy:
            warn(f"{noisy:,} of {total:,} files gave warnings, the first is {warned}")


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
        return memory_source(images[: len(numbers)], files.labels), files

    def decode(index: int) -> np.ndarray:
        try:
            return read(files.paths[index])
        except UnreadableImageError as error:
            path = error.path or files.paths[index]
            raise UserError(
                f"cannot read {path!r} any more: {error}; restore it, or start a new run"
            ) from error

    return decoded_source(len(numbers), decode, shape, files.labels), files


def existing_folder(path: str, form: str) -> Path:
    """Returns the folder in a dataset's name, which has a form such as "folder:PATH"."""
    if not path:
        raise UserError(f"{form.partition(':')[0]}: lacks its path: give {form}")
    root = Path(path).expanduser()
    if not root.exists():
        raise UserError(f"folder {path!r} does not exist: give {form} with an existing folder")
    if not root.is_dir():
        raise UserError(f"{path!r} is a file: give {form} with the folder that contains it")
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
    counts, advice = count_kinds(left_out), packages_for(left_out)
    if left_out and not paths:
        advice.append("convert them to .png or .jpg")
        raise UserError(
            f"folder {str(root)!r} holds no images that can be read: {counts}; "
            f"{', or '.join(advice)}"
        )
    if not paths:
        raise UserError(
            f"folder {str(root)!r} holds no images: give one with .png, .jpg or similar files"
        )
    if total := left_out.total():
        files = "1 file of a type" if total == 1 else f"{total:,} files of types"
        what = "; ".join([counts, *advice])
        warn(f"left out {files} that cannot be read here: {what} (in {str(root)!r})")
    return sorted(paths)


def _is_system(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_NAMES


def with_classes(root: Path) -> Files:
    """Returns all image files; if all lie in subfolders, these are the classes."""
    paths = image_files(root)
    if any("/" not in path for path in paths):
        return Files(root, paths)
    owners = [path.partition("/")[0] for path in paths]
    classes, labels = np.unique(owners, return_inverse=True)
    return Files(root, paths, labels.astype(np.int32), tuple(classes.tolist()))


def by_stem(paths: Sequence[str]) -> dict[str, str]:
    """Returns relative paths of image files by their paths without suffix, which must differ."""
    found: dict[str, str] = {}
    for path in paths:
        stem = PurePosixPath(path).with_suffix("").as_posix()
        if stem in found:
            raise UserError(f"{found[stem]!r} and {path!r} are both called {stem!r}: rename one")
        found[stem] = path
    return found
