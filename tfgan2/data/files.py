"""Samples that are files: all decoded into memory, or each when it is asked for."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.data.dataset import (
    WHOLE,
    MemorySource,
    Part,
    Request,
    Source,
    cpu_count,
    empty_images,
    shuffled_indices,
)
from tfgan2.data.python_op import images_from_python
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, is_grey, suffixes

if TYPE_CHECKING:
    import tensorflow as tf

JOINT = "\0"
"""Between the paths of a sample that is made of several files; no path holds it."""

_LOOKED_AT = 64
"""How many files decide on grey or colour."""
_CHUNK = 512
"""Files whose decoding is under way at a time: bounds what a check of a million files holds."""

Read = Callable[[str], np.ndarray]
"""A sample's path, relative to the root, to uint8 (H, W, C); raises UnreadableImageError."""


@dataclass
class Files:
    """Samples in a folder.

    Attributes:
        root: the folder.
        paths: relative to it, with "/" between their parts; several for one sample are joined by
            `JOINT`.
        labels: int32, shape (N,), or None.
    """

    root: Path
    paths: list[str]
    labels: np.ndarray | None = None

    def take(self, indices: np.ndarray) -> Files:
        """Some of them."""
        labels = None if self.labels is None else self.labels[indices]
        return Files(self.root, [self.paths[i] for i in indices], labels)

    def digest(self) -> str:
        """Of names and sizes; the place of the folder does not matter."""
        digest = hashlib.sha256()
        for sample in self.paths:
            for path in sample.split(JOINT):
                digest.update(os.fsencode(path) + b"\0%d\n" % (self.root / path).stat().st_size)
        return digest.hexdigest()

    def channels(self) -> int:
        """1 if every one of some files, spread evenly over all, is grey; else 3."""
        chosen = np.unique(np.linspace(0, len(self.paths) - 1, _LOOKED_AT).astype(int))
        found = [is_grey(self.root / self.paths[i]) for i in chosen]
        readable = [grey for grey in found if grey is not None]
        return 1 if readable and all(readable) else 3


def folder_of(given: str, option: str) -> Path:
    """An existing folder.

    Args:
        given: its path, as the user gave it.
        option: how it is to be given, for example "folder:PATH".

    Raises:
        UserError: there is none.
    """
    if not given:
        raise UserError(f"{option.partition(':')[0]}: lacks its path: give {option}")
    root = Path(given).expanduser()
    if not root.exists():
        raise UserError(f"folder {given!r} does not exist: give {option} of an existing folder")
    if not root.is_dir():
        raise UserError(f"{given!r} is a file: give {option} of the folder it lies in")
    return root


def pictures_in(root: Path) -> list[str]:
    """The relative paths of all pictures, sorted; links are followed, hidden files left out.

    Raises:
        UserError: there is none, or a folder cannot be looked into.
    """
    paths = sorted(_walk(root))
    if not paths:
        raise UserError(
            f"folder {str(root)!r} holds no pictures: give one with .png, .jpg or other such files"
        )
    return paths


def by_name(paths: Sequence[str]) -> dict[str, str]:
    """Relative paths of pictures by what they are without their suffixes.

    Raises:
        UserError: two are called the same.
    """
    names = [PurePosixPath(path).with_suffix("").as_posix() for path in paths]
    for name, times in Counter(names).items():
        if times > 1:
            path = paths[names.index(name)]
            raise UserError(f"{times} pictures are called {name!r}, such as {path!r}: rename one")
    return dict(zip(names, paths, strict=True))


def _walk(root: Path) -> Iterator[str]:
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


def open_files(
    files: Files, read: Read, shape: tuple[int, int, int], request: Request
) -> tuple[Source, Files, tuple[str, ...]]:
    """Decodes every file once, to know now rather than later which cannot be.

    Args:
        files: at least one.
        read: decodes one.
        shape: of what it gives.
        request: says whether to hold them in memory, and what to do with unreadable ones.

    Returns:
        The source, the files that can be read, and the paths of those that cannot.

    Raises:
        UserError: a file that cannot be read, unless such are to be skipped; or all cannot.
    """
    to_memory = request.fits_memory(len(files.paths), shape)
    images, good, skipped = _check(files, read, shape, to_memory, request)
    if skipped:
        files = files.take(good)
    if images is not None:
        return MemorySource(images, files.labels), files, skipped
    return FileSource(files, read, shape), files, skipped


class FileSource:
    """Files, decoded while they are asked for."""

    in_memory = False

    def __init__(self, files: Files, read: Read, shape: tuple[int, int, int]) -> None:
        import tensorflow as tf

        self.num_images = len(files.paths)
        self._read = read
        self._shape = shape
        with tf.device("/CPU:0"):
            self._paths = tf.constant([os.fsencode(path) for path in files.paths])
            self._labels = None if files.labels is None else tf.constant(files.labels, tf.int32)

    def batches(
        self, batch_size: int, *, seed: int, start: int, part: Part = WHOLE
    ) -> tf.data.Dataset:
        import tensorflow as tf

        def read(indices: tf.Tensor) -> Any:
            paths = tf.gather(self._paths, indices)
            images = images_from_python(self._decode, paths, self._shape)
            if self._labels is None:
                return images
            return images, tf.gather(self._labels, indices)

        return shuffled_indices(self.num_images, batch_size, seed=seed, start=start, part=part).map(
            read, num_parallel_calls=cpu_count(), deterministic=True
        )

    def _decode(self, path: bytes) -> np.ndarray:
        try:
            return self._read(os.fsdecode(path))
        except UnreadableImageError as error:
            raise UserError(
                f"cannot read {_broken(os.fsdecode(path), error)!r} any more: {error}; "
                "put it back, or start again"
            ) from error


def refuse_unreadable(paths: Sequence[str], reason: str, total: int, *, skip: bool) -> None:
    """Raises a UserError if some files cannot be read, unless these are skipped; or if all cannot.

    Args:
        paths: of those that cannot.
        reason: of the first of them.
        total: of all files.
        skip: whether to leave such files out.
    """
    if paths and not skip:
        others = f" (and {len(paths) - 1} more of {total})" if len(paths) > 1 else ""
        raise UserError(
            f"cannot read {paths[0]!r}: {reason}{others}; mend or remove it, "
            "or give --skip-unreadable, which leaves such files out"
        )
    if len(paths) == total:
        raise UserError(
            f"none of the {total} pictures can be read, the first is "
            f"{paths[0]!r}: {reason}; give another folder"
        )


def _broken(sample: str, error: UnreadableImageError) -> str:
    """Which of a sample's files cannot be read."""
    return error.path or sample.partition(JOINT)[0]


def _check(
    files: Files, read: Read, shape: tuple[int, int, int], to_memory: bool, request: Request
) -> tuple[np.ndarray | None, np.ndarray, tuple[str, ...]]:
    """Decodes every file once.

    Returns:
        The images, uint8 (N, H, W, C), or None unless `to_memory`; the indices of the files that
        can be read; the paths of those that cannot.
    """
    paths = files.paths

    def attempt(path: str) -> np.ndarray | UnreadableImageError:
        try:
            return read(path)
        except UnreadableImageError as error:
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
            for index, image in enumerate(pool.map(attempt, paths[begin : begin + _CHUNK]), begin):
                if isinstance(image, UnreadableImageError):
                    first_reason = first_reason or str(image)
                    skipped.append(_broken(paths[index], image))
                    continue
                if images is not None:
                    images[count] = image
                good[count] = index
                count += 1
    request.progress(text, len(paths), len(paths))
    refuse_unreadable(skipped, first_reason, len(paths), skip=request.skip_unreadable)
    return None if images is None else images[:count], good[:count], tuple(skipped)
