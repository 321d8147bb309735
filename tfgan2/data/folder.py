"""`folder:PATH`: the user's own pictures."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.data.dataset import (
    ImageDataset,
    MemorySource,
    Request,
    Source,
    choose_classes,
    cpu_count,
    empty_images,
    shuffled_indices,
)
from tfgan2.data.pictures import UnreadablePictureError, is_grey, read_picture, suffixes
from tfgan2.data.python_op import images_from_python
from tfgan2.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

PREFIX = "folder:"
DEFAULT_SIZE = 64
_LOOKED_AT = 64
"""How many files decide on grey or colour."""
_CHUNK = 512
"""Files whose decoding is under way at a time: bounds what a check of a million files holds."""


@dataclass
class _Files:
    """Paths relative to the root, with "/" between their parts, and the label of each."""

    paths: list[str]
    labels: np.ndarray | None


def load(request: Request) -> ImageDataset:
    """Loads a folder; every file is decoded once, to know now rather than later which cannot be.

    Where pictures lie only in subfolders, the first level of these are the classes.

    Raises:
        UserError: no such folder, no pictures, a picture that cannot be read, an unknown class.
    """
    root = _root(request.name)
    known, files = _find(root)
    names, relabelled = choose_classes(request.classes, known, name=request.name)
    if request.classes is not None and files.labels is not None:
        labels = relabelled[files.labels]
        kept = np.flatnonzero(labels >= 0)
        files = _Files([files.paths[i] for i in kept], labels[kept])
    size = request.image_size or DEFAULT_SIZE
    channels = request.channels or _default_channels(root, files.paths)
    shape = (size, size, channels)
    to_memory = request.fits_memory(len(files.paths), shape)
    images, good, skipped = _check(root, files.paths, shape, to_memory, request)
    if skipped:
        files = _Files(
            [files.paths[i] for i in good],
            None if files.labels is None else files.labels[good],
        )
    source: Source
    if images is not None:
        source = MemorySource(images, files.labels)
    else:
        source = FileSource(root, files.paths, files.labels, shape)
    return ImageDataset(
        source,
        name=request.name,
        image_shape=shape,
        class_names=names,
        content=["folder", _digest(root, files.paths)],
        skipped=skipped,
    )


class FileSource:
    """Files, decoded while they are asked for."""

    in_memory = False

    def __init__(
        self,
        root: Path,
        paths: list[str],
        labels: np.ndarray | None,
        image_shape: tuple[int, int, int],
    ) -> None:
        import tensorflow as tf

        self.num_images = len(paths)
        self._root = os.fsencode(root)
        self._shape = image_shape
        with tf.device("/CPU:0"):
            self._paths = tf.constant([os.fsencode(path) for path in paths])
            self._labels = None if labels is None else tf.constant(labels, tf.int32)

    def batches(self, batch_size: int, *, seed: int, start: int) -> tf.data.Dataset:
        import tensorflow as tf

        def read(indices: tf.Tensor) -> Any:
            paths = tf.gather(self._paths, indices)
            images = images_from_python(self._decode, paths, self._shape)
            if self._labels is None:
                return images
            return images, tf.gather(self._labels, indices)

        return shuffled_indices(self.num_images, batch_size, seed=seed, start=start).map(
            read, num_parallel_calls=cpu_count(), deterministic=True
        )

    def _decode(self, path: bytes) -> np.ndarray:
        try:
            return read_picture(
                Path(os.fsdecode(self._root + b"/" + path)),
                size=self._shape[0],
                channels=self._shape[2],
            )
        except UnreadablePictureError as error:
            raise UserError(
                f"cannot read {os.fsdecode(path)!r} any more: {error}; put it back, or start again"
            ) from error


def _root(name: str) -> Path:
    given = name.removeprefix(PREFIX)
    if not given:
        raise UserError("folder: lacks its path: give folder:PATH")
    root = Path(given).expanduser()
    if not root.exists():
        raise UserError(f"folder {given!r} does not exist: give folder:PATH of an existing folder")
    if not root.is_dir():
        raise UserError(f"{given!r} is a file: give folder:PATH of the folder it lies in")
    return root


def _find(root: Path) -> tuple[list[str], _Files]:
    """The classes, [] where there are none, and all picture files, in a fixed order."""
    paths = sorted(_walk(root))
    if not paths:
        raise UserError(
            f"folder {str(root)!r} holds no pictures: give one with .png, .jpg or other such files"
        )
    if any("/" not in path for path in paths):
        return [], _Files(paths, None)
    owners = [path.partition("/")[0] for path in paths]
    names = sorted(set(owners))
    number = {name: label for label, name in enumerate(names)}
    return names, _Files(paths, np.array([number[owner] for owner in owners], np.int32))


def _walk(root: Path) -> Iterator[str]:
    """Relative paths of all files that look like pictures, links followed, hidden ones left out."""

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot look into {error.filename}: {error.strerror}") from error

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
    """Whether links have led from a folder back into itself."""
    depth = len(folder.relative_to(root).parts)
    return any(folder.samefile(above) for above in folder.parents[:depth])


def _default_channels(root: Path, paths: list[str]) -> int:
    """1 if every one of some files, spread evenly over all, is grey; else 3."""
    chosen = np.unique(np.linspace(0, len(paths) - 1, _LOOKED_AT).astype(int))
    readable = [grey for i in chosen if (grey := is_grey(root / paths[i])) is not None]
    return 1 if readable and all(readable) else 3


def _check(
    root: Path,
    paths: list[str],
    shape: tuple[int, int, int],
    to_memory: bool,
    request: Request,
) -> tuple[np.ndarray | None, np.ndarray, tuple[str, ...]]:
    """Decodes every file once.

    Returns:
        The images, uint8 (N, H, W, C), or None unless `to_memory`; the indices of the files that
        can be read; the paths of those that cannot.
    """

    def read(path: str) -> np.ndarray | UnreadablePictureError:
        try:
            return read_picture(root / path, size=shape[0], channels=shape[2])
        except UnreadablePictureError as error:
            return error

    text = "reading pictures" if to_memory else "checking pictures"
    images = empty_images((len(paths), *shape)) if to_memory else None
    good = np.empty(len(paths), np.int64)
    count = 0
    skipped: list[str] = []
    first_reason = ""
    with ThreadPoolExecutor(cpu_count()) as pool:
        for begin in range(0, len(paths), _CHUNK):
            request.progress(text, begin, len(paths))
            for index, image in enumerate(pool.map(read, paths[begin : begin + _CHUNK]), begin):
                if isinstance(image, UnreadablePictureError):
                    first_reason = first_reason or str(image)
                    skipped.append(paths[index])
                    continue
                if images is not None:
                    images[count] = image
                good[count] = index
                count += 1
    request.progress(text, len(paths), len(paths))
    if skipped and not request.skip_unreadable:
        others = f" (and {len(skipped) - 1} more of {len(paths)})" if len(skipped) > 1 else ""
        raise UserError(
            f"cannot read {skipped[0]!r}: {first_reason}{others}; mend or remove it, "
            "or give --skip-unreadable, which leaves such files out"
        )
    if not count:
        raise UserError(
            f"none of the {len(paths)} pictures can be read, the first is "
            f"{skipped[0]!r}: {first_reason}; give another folder"
        )
    return None if images is None else images[:count], good[:count], tuple(skipped)


def _digest(root: Path, paths: list[str]) -> str:
    """Of names and sizes; the place of the folder does not matter."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(path) + b"\0%d\n" % (root / path).stat().st_size)
    return digest.hexdigest()
