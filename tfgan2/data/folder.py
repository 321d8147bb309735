"""`folder:PATH`: the user's own pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tfgan2.data.dataset import ImageDataset, Request, choose_classes, with_held_out
from tfgan2.data.files import Files, folder_of, open_files, pictures_in
from tfgan2.images.files import read_image

PREFIX = "folder:"
DEFAULT_SIZE = 64


def load(request: Request) -> ImageDataset:
    """Loads a folder; every file is decoded once, to know now rather than later which cannot be.

    Where pictures lie only in subfolders, the first level of these are the classes.

    Raises:
        UserError: no such folder, no pictures, a picture that cannot be read, an unknown class.
    """
    root = folder_of(request.name.removeprefix(PREFIX), "folder:PATH")
    known, files = find(root)
    names, relabelled = choose_classes(request.classes, known, name=request.name)
    if request.classes is not None and files.labels is not None:
        labels = relabelled[files.labels]
        kept = np.flatnonzero(labels >= 0)
        files = Files(root, [files.paths[i] for i in kept], labels[kept])
    return load_files(files, names, request, default_size=DEFAULT_SIZE)


def load_files(
    files: Files, names: tuple[str, ...], request: Request, *, default_size: int
) -> ImageDataset:
    """Pictures as a dataset.

    Args:
        files: at least one.
        names: of the classes.
        request: says the rest.
        default_size: edge of the images unless the request says it.

    Raises:
        UserError: a picture that cannot be read, or too many are to be held out.
    """
    size = request.image_size or default_size
    channels = request.channels or files.channels()
    shape = (size, size, channels)

    def read(path: str) -> np.ndarray:
        return read_image(files.root / path, size=size, channels=channels)

    def part(indices: np.ndarray, held_out: ImageDataset | None) -> ImageDataset:
        source, good, skipped = open_files(files.take(indices), read, shape, request)
        return ImageDataset(
            source,
            name=request.name,
            image_shape=shape,
            class_names=names,
            content=["folder", good.digest()],
            skipped=skipped,
            held_out=held_out,
        )

    return with_held_out(len(files.paths), request, part)


def find(root: Path) -> tuple[list[str], Files]:
    """The classes, [] where there are none, and all picture files, in a fixed order."""
    paths = pictures_in(root)
    if any("/" not in path for path in paths):
        return [], Files(root, paths)
    owners = [path.partition("/")[0] for path in paths]
    names = sorted(set(owners))
    number = {name: label for label, name in enumerate(names)}
    return names, Files(root, paths, np.array([number[owner] for owner in owners], np.int32))
