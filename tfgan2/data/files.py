"""What all datasets of image files share."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from tfgan2.data.copies import equal_files
from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.request import Request, build
from tfgan2.errors import UserError, warn
from tfgan2.images.files import NO_RANGES, UnreadableImageError, kind_left_out, read_image
from tfgan2.images.formats import SYSTEM_NAMES, count_kinds, packages_for
from tfgan2.images.hearing import hearing
from tfgan2.images.ranges import Ranges
from tfgan2.images.survey import Survey, survey

DEFAULT_SIZE = 64
JOINT = "\0"
"""Joins the paths of a sample that consists of several files; no path contains it."""

T = TypeVar("T")


@dataclass
class Files:
    """Samples in the folder `root`, with int32 labels or None, and the names of the labels.

    Paths are relative to the folder, with "/" between their parts; those of the files of one sample
    are joined by `JOINT`. `skipped` receives the paths of the files that cannot be read. The last
    `held_out` samples are held out, and `notes` are lines for the user.
    """

    root: Path
    paths: list[str]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    skipped: list[str] = field(default_factory=list)
    held_out: int = 0
    notes: tuple[str, ...] = ()

    def take(self, indices: Sequence[int] | np.ndarray, labels: np.ndarray | None = None) -> Files:
        """Returns the samples with these indices, and with other labels."""
        return Files(self.root, [self.paths[i] for i in indices], labels)

    def absolute(self) -> list[Path]:
        """Returns the path of each file; each is a sample."""
        return [self.root / path for path in self.paths]

    def digest(self) -> str:
        """Returns a sha256 of names and sizes; it does not depend on where the folder lies."""
        digest = hashlib.sha256()
        for sample in self.paths:
            for path in sample.split(JOINT):
                digest.update(os.fsencode(path) + b"\0%d\n" % (self.root / path).stat().st_size)
        return digest.hexdigest()

    def survey(self, request: Request) -> Survey:
        """Surveys all files: their formats, and the range of their values."""
        paths = [self.root / path for sample in self.paths for path in sample.split(JOINT)]
        return survey(paths, request.ranges, partial(request.in_threads, text="surveying images"))

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


def load_files(
    files: Files, request: Request, default_size: int = DEFAULT_SIZE, *, copies: bool = True
) -> ImageDataset:
    """Builds a dataset of image files, each of which is one sample.

    With `copies` those of an image are never on both sides of a hold-out.
    """
    size = request.image_size or default_size
    survey = files.survey(request)
    shape = (size, size, request.channels or survey.channels)

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        source, found = open_files(files.take(numbers, labels), shape, request, survey.ranges)
        return ImageDataset(
            source,
            request.name,
            shape,
            ["folder", found.digest()],
            skipped=tuple(found.skipped),
            surveys=(survey,),
            notes=files.notes,
        )

    return build(
        request,
        len(files.paths),
        part,
        known=files.classes,
        labels=files.labels,
        copies=partial(equal_files, files.absolute(), request) if copies else None,
        called=files.paths,
        held_out=files.held_out,
    )


def open_files(
    files: Files,
    shape: tuple[int, int, int],
    request: Request,
    ranges: Ranges = NO_RANGES,
    read: Callable[[str], np.ndarray] | None = None,
) -> tuple[Source, Files]:
    """Decodes every file once, so that unreadable ones are found before training starts.

    `read` makes an image of this shape of a sample's path; default: `read_image` with `ranges`.
    Returns the source, and the files that can be read.
    """
    from tfgan2.data.sources import decoded_source, empty_images, memory_source

    def read_file(path: str) -> np.ndarray:
        return read_image(files.root / path, size=shape[0], channels=shape[2], ranges=ranges)

    read = read or read_file
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


def by_stem(paths: Sequence[str]) -> dict[str, str]:
    """Returns relative paths of image files by their paths without suffix, which must differ."""
    found: dict[str, str] = {}
    for path in paths:
        stem = PurePosixPath(path).with_suffix("").as_posix()
        if stem in found:
            raise UserError(f"{found[stem]!r} and {path!r} are both called {stem!r}: rename one")
        found[stem] = path
    return found
