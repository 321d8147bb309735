"""`folder:PATH`, and what all sources made of image files share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.files import JOINT, Files, existing_folder, refuse_unreadable, with_classes
from tfgan2.data.parallel import in_threads
from tfgan2.data.request import Request, build, choose_classes, keep_classes
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, read_image

DEFAULT_SIZE = 64

Read = Callable[[str], np.ndarray]
"""Reads a sample, named by its relative path: uint8 (H, W, C), or an UnreadableImageError."""


def load(request: Request) -> ImageDataset:
    """Loads a folder. If all images lie in subfolders, the first level of these are the classes."""
    known, files = with_classes(existing_folder(request.path, "folder:PATH"))
    if files.labels is None:
        names, _ = choose_classes(request.classes, (), name=request.name)
    else:
        names, labels, kept = keep_classes(request, known, files.labels)
        files = Files(files.root, [files.paths[i] for i in kept], labels)
    return load_files(files, names, request, default_size=DEFAULT_SIZE)


def load_files(
    files: Files, names: tuple[str, ...], request: Request, *, default_size: int
) -> ImageDataset:
    """Builds a dataset of image files, each of which is one sample."""
    size = request.image_size or default_size
    shape = (size, size, request.channels or files.channels())

    def part(indices: np.ndarray) -> tuple[Source, list[str], tuple[str, ...]]:
        source, readable, skipped = open_files(files.take(indices), shape, request)
        return source, ["folder", readable.digest()], skipped

    return build(request, len(files.paths), part, image_shape=shape, class_names=names)


def open_files(
    files: Files, shape: tuple[int, int, int], request: Request, read: Read | None = None
) -> tuple[Source, Files, tuple[str, ...]]:
    """Decodes every file once, so that unreadable ones are found before training starts.

    Args:
        files: at least one.
        shape: (height, width, channels) of the images.
        request: says whether images are held in memory and unreadable files skipped.
        read: reads a sample; default: `read_image`.

    Returns:
        The source, the files that can be read, and the paths of those that cannot.
    """
    from tfgan2.data.sources import DecodedSource, MemorySource, empty_images

    def read_file(path: str) -> np.ndarray:
        return read_image(files.root / path, size=shape[0], channels=shape[2])

    reader = read or read_file

    def attempt(path: str) -> np.ndarray | UnreadableImageError:
        try:
            return reader(path)
        except UnreadableImageError as error:
            return error

    paths = files.paths
    to_memory = request.fits_memory(len(paths), shape)
    images = empty_images((len(paths), *shape)) if to_memory else None
    text = "reading images" if to_memory else "checking images"
    readable: list[int] = []
    skipped: list[str] = []
    reason = ""
    for index, image in enumerate(in_threads(attempt, paths, text, request.progress)):
        if isinstance(image, UnreadableImageError):
            reason = reason or str(image)
            skipped.append(_unreadable(paths[index], image))
            continue
        if images is not None:
            images[len(readable)] = image
        readable.append(index)
    refuse_unreadable(skipped, reason, len(paths), skip=request.skip_unreadable)
    if skipped:
        files = files.take(np.array(readable))
    if images is not None:
        return MemorySource(images[: len(readable)], files.labels), files, tuple(skipped)

    def decode(index: int) -> np.ndarray:
        path = files.paths[index]
        try:
            return reader(path)
        except UnreadableImageError as error:
            raise UserError(
                f"cannot read {_unreadable(path, error)!r} any more: {error}; "
                "restore it, or start a new run"
            ) from error

    return DecodedSource(len(files.paths), decode, shape, files.labels), files, tuple(skipped)


def _unreadable(sample: str, error: UnreadableImageError) -> str:
    """Returns the path of the file of a sample that cannot be read."""
    return error.path or sample.partition(JOINT)[0]
