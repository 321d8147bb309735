"""`tfgan2 prepare`: packs a folder of images into the shards that `prepared:FILE` reads."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfgan2.data.files import Files, existing_folder, refuse_unreadable, with_classes
from tfgan2.data.parallel import Progress, in_threads
from tfgan2.data.prepared import DEFAULT_SIZE, Index, Shard, one_line
from tfgan2.errors import UserError, cannot_write
from tfgan2.files import written_atomically
from tfgan2.images.files import UnreadableImageError, read_image

# Each record by itself, to be read in any order. Not compressed: image files are already, and
# pixels are stored so that reading them is no more than copying.
_OPTIONS = "group_size:1,uncompressed"
_CHUNK = 64
"""Files in memory at a time; photographs may have megabytes each."""


def pack(
    source: str,
    out: Path,
    *,
    image_size: int | None = None,
    shard_bytes: int = 2**28,
    skip_unreadable: bool = False,
    progress: Progress = lambda text, done, total: None,
) -> tuple[Index, tuple[str, ...]]:
    """Packs a folder of images.

    Every file is decoded once, so that unreadable ones are found now. Without `image_size` the
    files are stored as they are, so any size can be made of them later; with it, the pixels that
    `folder:` would make of them, which need no decoding later.

    Args:
        source: "folder:DIR".
        out: FILE, which must not exist; the shards are written to a folder beside it.
        image_size: edge of the pixels to store, or None for files.
        shard_bytes: approximate size of a shard.
        skip_unreadable: leave unreadable files out.
        progress: called with what is being done, how much of it is done, and the total.

    Returns:
        The index written, and the paths of the files left out.

    Raises:
        UserError: no such folder, no images, one that cannot be read, FILE exists, or the disk
            refuses; nothing is left behind.
    """
    shards = _new_folder(out)
    known, files = with_classes(existing_folder(source.removeprefix("folder:"), "folder:DIR"))
    packer = _Packer(files, image_size)
    try:
        with one_line("write", out), written_atomically(shards) as partial:
            partial.mkdir()
            records = packer.records(progress)
            written = tuple(_write_shards(records, partial, shards.name, shard_bytes))
            refuse_unreadable(packer.skipped, packer.reason, len(files.paths), skip=skip_unreadable)
        runs = [(label, len(list(run))) for label, run in itertools.groupby(packer.labels)]
        index = Index(
            num_images=len(packer.labels),
            channels=packer.channels,
            image_size=image_size,
            class_names=tuple(known),
            label_runs=tuple(runs) if known else (),
            shards=written,
            digest=packer.digest.hexdigest(),
        )
        with written_atomically(out) as partial:
            partial.write_text(index.to_json(), encoding="utf-8")
    except BaseException as error:  # also Ctrl-C: shards without an index are of no use
        shutil.rmtree(shards, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_write(out, error) from error
        raise
    return index, tuple(packer.skipped)


def _new_folder(out: Path) -> Path:
    """Returns the folder for the shards of FILE; neither may exist yet."""
    shards = out.with_name(f"{out.name}.shards")
    for path in (out, shards):
        if path.exists():
            raise UserError(f"{path} exists: choose another --out, or remove it")
    if not out.parent.is_dir():
        raise UserError(f"{out.parent} is not a folder: create it, or choose another --out")
    return shards


class _Packer:
    """Makes records of image files.

    Attributes:
        channels: of the pixels; 1 if the files are grey, else 3.
        labels: of the records made so far; zeros without labels.
        digest: sha256 of the same.
        skipped: paths of the files that cannot be read.
        reason: why the first of them cannot.
    """

    def __init__(self, files: Files, image_size: int | None) -> None:
        self.channels = files.channels()
        self.labels: list[int] = []
        self.digest = hashlib.sha256(f"{image_size} {self.channels}".encode())
        self.skipped: list[str] = []
        self.reason = ""
        self._files = files
        self._size = image_size

    def records(self, progress: Progress) -> Iterator[bytes]:
        """Yields the records of all files that can be read, in order."""
        paths, labels = self._files.paths, self._files.labels
        if labels is None:
            labels = np.zeros(len(paths), np.int32)
        records = in_threads(self._record, paths, "packing images", progress, _CHUNK)
        for path, label, record in zip(paths, labels.tolist(), records, strict=True):
            if isinstance(record, UnreadableImageError):
                self.reason = self.reason or str(record)
                self.skipped.append(path)
                continue
            self.labels.append(label)
            self.digest.update(b"%d %d\n" % (label, len(record)) + record)
            yield record

    def _record(self, path: str) -> bytes | UnreadableImageError:
        try:
            content = (self._files.root / path).read_bytes()
            size = self._size or DEFAULT_SIZE
            pixels = read_image(content, size=size, channels=self.channels)
        except UnreadableImageError as error:
            return error
        except OSError as error:
            return UnreadableImageError(error.strerror or str(error))
        return content if self._size is None else pixels.tobytes()


def _write_shards(
    records: Iterator[bytes], partial: Path, final: str, shard_bytes: int
) -> Iterator[Shard]:
    """Writes all records into the folder `partial`, which later gets the name `final`."""
    from array_record.python import array_record_module

    record = next(records, None)
    for number in itertools.count():
        if record is None:
            return
        path = partial / f"{number:05d}.array_record"
        writer = array_record_module.ArrayRecordWriter(str(path), _OPTIONS)
        images = size = 0
        while record is not None and (not images or size + len(record) <= shard_bytes):
            writer.write(record)
            images, size = images + 1, size + len(record)
            record = next(records, None)
        writer.close()
        with path.open("rb") as file:
            os.fsync(file.fileno())
        yield Shard(f"{final}/{path.name}", images, path.stat().st_size)
