"""`tfgan2 prepare`: a folder of pictures becomes shards that `prepared:FILE` reads."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tfgan2.data import folder
from tfgan2.data.dataset import Progress, cpu_count
from tfgan2.data.files import Files, folder_of, refuse_unreadable
from tfgan2.data.prepared import Index, Shard, array_records
from tfgan2.errors import UserError, cannot_write
from tfgan2.files import written_atomically
from tfgan2.images.files import UnreadableImageError, read_image

# Each record by itself, to be read in any order. Not compressed: pictures' files are already, and
# pixels are kept so that reading is no more than copying.
_OPTIONS = "group_size:1,uncompressed"
_CHUNK = 64
"""Files in memory at a time; photographs may have megabytes each."""


def pack(
    given: str,
    out: Path,
    *,
    image_size: int | None = None,
    shard_bytes: int = 2**28,
    skip_unreadable: bool = False,
    progress: Progress = lambda text, done, total: None,
) -> tuple[Index, tuple[str, ...]]:
    """Packs a folder of pictures.

    Every picture is decoded once, to know now rather than later which cannot be. Without
    `image_size` their files are kept as they are, so that any size can be made of them; with it
    their pixels, as `folder:` would make them, which need no decoding later.

    Args:
        given: "folder:DIR".
        out: FILE, which must not exist; the shards come into a folder beside it.
        image_size: edge of the pixels to keep, or None.
        shard_bytes: about the size of a shard.
        skip_unreadable: leave such files out.
        progress: called now and then with what is being done, how much of it is done, and of how
            much.

    Returns:
        What was written, and the paths of the files that were left out.

    Raises:
        UserError: no such folder, no pictures, one that cannot be read, FILE exists, or the disk
            refuses; nothing is left behind.
    """
    shards = check_new(out)
    known, files = folder.find(folder_of(given.removeprefix(folder.PREFIX), "folder:DIR"))
    packer = _Packer(files, image_size, progress)
    try:
        with array_records("write", out), written_atomically(shards) as partial:
            partial.mkdir()
            written = tuple(_write_shards(packer.records(), partial, shards.name, shard_bytes))
            refuse_unreadable(packer.skipped, packer.reason, len(files.paths), skip=skip_unreadable)
        index = Index(
            num_images=len(packer.labels),
            channels=packer.channels,
            image_size=image_size,
            class_names=tuple(known),
            label_runs=tuple(
                (label, len(list(run))) for label, run in itertools.groupby(packer.labels)
            )
            if known
            else (),
            shards=written,
            digest=packer.digest.hexdigest(),
        )
        with written_atomically(out) as partial:
            partial.write_text(index.to_json(), encoding="utf-8")
    except BaseException as error:  # Ctrl-C, too: shards without an index are of no use
        shutil.rmtree(shards, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_write(out, error) from error
        raise
    return index, tuple(packer.skipped)


def check_new(out: Path) -> Path:
    """The folder for the shards of FILE.

    Raises:
        UserError: it or FILE exists, or there is no folder to put them into.
    """
    shards = out.with_name(f"{out.name}.shards")
    for path in (out, shards):
        if path.exists():
            raise UserError(f"{path} exists: choose another --out, or remove it")
    if not out.parent.is_dir():
        raise UserError(f"{out.parent} is no folder: make it, or choose another --out")
    return shards


class _Packer:
    """Makes records of files.

    Attributes:
        channels: of pixels, and what the index says of files.
        labels: of the records made so far; zeros where there are none.
        digest: of the same.
        skipped: paths of files that cannot be read.
        reason: why the first of them cannot.
    """

    def __init__(self, files: Files, image_size: int | None, progress: Progress) -> None:
        self.channels = files.channels()
        self.labels: list[int] = []
        self.digest = hashlib.sha256(f"{image_size} {self.channels}".encode())
        self.skipped: list[str] = []
        self.reason = ""
        self._files = files
        self._size = image_size
        self._progress = progress

    def records(self) -> Iterator[bytes]:
        """Those of all files that can be read, in order."""
        paths = self._files.paths
        given = self._files.labels
        labels = np.zeros(len(paths), np.int32) if given is None else given
        with ThreadPoolExecutor(cpu_count()) as pool:
            for begin in range(0, len(paths), _CHUNK):
                self._progress("packing pictures", begin, len(paths))
                chunk = paths[begin : begin + _CHUNK]
                for index, record in enumerate(pool.map(self._record, chunk), begin):
                    if isinstance(record, UnreadableImageError):
                        self.reason = self.reason or str(record)
                        self.skipped.append(paths[index])
                        continue
                    label = int(labels[index])
                    self.labels.append(label)
                    self.digest.update(b"%d %d\n" % (label, len(record)) + record)
                    yield record
        self._progress("packing pictures", len(paths), len(paths))

    def _record(self, path: str) -> bytes | UnreadableImageError:
        try:
            content = (self._files.root / path).read_bytes()
            size = self._size or folder.DEFAULT_SIZE
            pixels = read_image(content, size=size, channels=self.channels)
        except UnreadableImageError as error:
            return error
        except OSError as error:
            return UnreadableImageError(error.strerror or str(error))
        return content if self._size is None else pixels.tobytes()


def _write_shards(
    records: Iterator[bytes], partial: Path, final: str, shard_bytes: int
) -> Iterator[Shard]:
    """Writes all records into `partial`; the shards' names are those below `final`."""
    from array_record.python import array_record_module

    waiting = next(records, None)
    for number in itertools.count():
        if waiting is None:
            return
        path = partial / f"{number:05d}.array_record"
        writer = array_record_module.ArrayRecordWriter(str(path), _OPTIONS)
        images = size = 0
        while waiting is not None and (not images or size + len(waiting) <= shard_bytes):
            writer.write(waiting)
            images, size = images + 1, size + len(waiting)
            waiting = next(records, None)
        writer.close()
        with path.open("rb") as file:
            os.fsync(file.fileno())
        yield Shard(f"{final}/{path.name}", images, path.stat().st_size)
