"""What all datasets of image files share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.folders.copies import equal_files
from tfgan2.data.request import Request, build
from tfgan2.errors import UserError, warn
from tfgan2.images.files import NO_RANGES, UnreadableImageError, read_image
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
    `held_out` samples are held out, and `notes` are lines for the user. `folders` are those of the
    inputs and the targets, if there are two; their names are not part of the data.
    """

    root: Path
    paths: list[str]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    skipped: list[str] = field(default_factory=list)
    held_out: int = 0
    notes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def take(self, indices: Sequence[int] | np.ndarray, labels: np.ndarray | None = None) -> Files:
        """Returns the samples with these indices, and with other labels."""
        paths = [self.paths[i] for i in indices]
        return Files(self.root, paths, labels, folders=self.folders)

    def absolute(self) -> list[Path]:
        """Returns the path of each file; each is a sample."""
        return [self.root / path for path in self.paths]

    @cached_property
    def listing(self) -> bytes:
        """Names and sizes, see `Source.files`; they do not depend on where the folder lies."""
        lines = []
        for sample in self.paths:
            for side, path in enumerate(sample.split(JOINT)):
                name = path
                if self.folders:
                    name = f"{'AB'[side]}/{path.removeprefix(self.folders[side] + '/')}"
                size = (self.root / path).stat().st_size
                lines.append(os.fsencode(name) + b"\0%d\n" % size)
        return b"".join(lines)

    def digest(self) -> str:
        """Returns a sha256 of names and sizes."""
        return hashlib.sha256(self.listing).hexdigest()

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
                f"cannot read {self.skipped[0]!r}: {reason}{more}; repair or remove it",
                ", or give --skip-unreadable to leave such files out",
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
    survey = files.survey(request)
    shape = (*request.edges(default_size), request.channels or survey.channels)

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
        return read_image(files.root / path, size=shape[:2], channels=shape[2], ranges=ranges)

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
