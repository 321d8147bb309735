"""`tfgan2 prepare`: packs a folder of images into the shards that `prepared:FILE` reads."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tfgan2.data.files import DEFAULT_SIZE, existing_folder, with_classes
from tfgan2.data.prepared import Index, Shard, one_line
from tfgan2.data.request import Request
from tfgan2.errors import UserError
from tfgan2.files import written_atomically
from tfgan2.images.files import UnreadableImageError, read_image

# Each record by itself, to be read in any order. Not compressed: image files are already, and
# pixels are stored so that reading them is no more than copying.
_OPTIONS = "group_size:1,uncompressed"
_CHUNK = 64
"""Files in memory at a time; photographs may have megabytes each."""


def pack(request: Request, out: Path, *, shard_bytes: int = 2**28) -> tuple[Index, tuple[str, ...]]:
    """Packs a folder of images; returns the index, and the paths of the files left out.

    Every file is decoded once, so that unreadable ones are found now. Without an image size the
    files are stored as they are, so any size can be made of them later; with it, the pixels that
    `folder:` would make of them, which need no decoding later.

    Args:
        request: the folder, the image size and whether to leave unreadable files out.
        out: FILE, which must not exist; the shards are written to a folder beside it.
        shard_bytes: approximate size of a shard.

    Raises:
        UserError: no such folder, no images, one that cannot be read, FILE exists, or the disk
            refuses; nothing is left behind.
    """
    shards = out.with_name(f"{out.name}.shards")
    for path in (out, shards):
        if path.exists():
            raise UserError(f"{path} exists: choose another --out, or remove it")
    if not out.parent.is_dir():
        raise UserError(f"{out.parent} is not a folder: create it, or choose another --out")
    files = with_classes(existing_folder(request.path, "folder:DIR"))
    size, channels = request.image_size, files.channels()
    labels: list[int] = []
    digest = hashlib.sha256(f"{size} {channels}".encode())

    def record(path: str) -> bytes:
        try:
            content = (files.root / path).read_bytes()
        except OSError as error:
            raise UnreadableImageError(error.strerror or str(error)) from error
        pixels = read_image(content, size=size or DEFAULT_SIZE, channels=channels)
        return content if size is None else pixels.tobytes()

    def records() -> Iterator[bytes]:
        for number, content in files.read(record, "packing images", request, _CHUNK):
            labels.append(0 if files.labels is None else int(files.labels[number]))
            digest.update(b"%d %d\n" % (labels[-1], len(content)) + content)
            yield content

    try:
        with one_line("write", out), written_atomically(shards) as partial:
            partial.mkdir()
            written = tuple(_write_shards(records(), partial, shards.name, shard_bytes))
        runs = tuple((label, len(list(run))) for label, run in itertools.groupby(labels))
        index = Index(
            num_images=len(labels),
            channels=channels,
            image_size=size,
            class_names=files.classes,
            label_runs=runs if files.classes else (),
            shards=written,
            digest=digest.hexdigest(),
        )
        with written_atomically(out) as partial:
            partial.write_text(index.to_json(), encoding="utf-8")
    except BaseException:  # also Ctrl-C: shards without an index are of no use
        shutil.rmtree(shards, ignore_errors=True)
        raise
    return index, tuple(files.skipped)


def _write_shards(
    records: Iterator[bytes], partial: Path, final: str, shard_bytes: int
) -> Iterator[Shard]:
    """Writes all records into the folder `partial`, which later gets the name `final`."""
    from array_record.python.array_record_module import ArrayRecordWriter

    rest = next(records, None)
    for number in itertools.count():
        if rest is None:
            return
        path = partial / f"{number:05d}.array_record"
        writer = ArrayRecordWriter(str(path), _OPTIONS)
        images = size = 0
        while rest is not None and (not images or size + len(rest) <= shard_bytes):
            writer.write(rest)
            images, size = images + 1, size + len(rest)
            rest = next(records, None)
        writer.close()
        with path.open("rb") as file:
            os.fsync(file.fileno())
        yield Shard(f"{final}/{path.name}", images, path.stat().st_size)
