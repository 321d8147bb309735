"""`tfgan2 prepare` packs a folder of images into shards, `prepared:FILE` reads them.

FILE is an index in JSON; the shards lie in a folder beside it, in the format ArrayRecord: one
record per image, found by its number, with a checksum. A record is an image file as it was, or the
pixels if all images were scaled.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tfgan2.data.dataset import ImageDataset
from tfgan2.data.folders.classes import with_classes
from tfgan2.data.folders.files import DEFAULT_SIZE
from tfgan2.data.folders.finding import existing_folder
from tfgan2.data.index import Index, Shard
from tfgan2.data.request import Request, build
from tfgan2.errors import UserError, one_line
from tfgan2.files import check_unicode, written_atomically
from tfgan2.images import to_pil
from tfgan2.images.files import UnreadableImageError, fit, read_content, read_image
from tfgan2.options import parse_size

_AGAIN = "prepare it again"
_HELD_OUT = ("splits: the held-out split of the folder is held out",)

# Each record by itself, to be read in any order. Not compressed: image files are already, and
# pixels are stored so that reading them is no more than copying.
_OPTIONS = "group_size:1,uncompressed"


def load(request: Request) -> ImageDataset:
    """Opens prepared images; none is decoded yet, since all were when they were packed."""
    from tfgan2.data.sources import decoded_source, empty_images, memory_source

    if not request.path:
        raise UserError("prepared: lacks its file: give prepared:FILE")
    path = Path(request.path).expanduser()
    check_unicode(path)
    index = Index.read(path)
    stored = None if index.image_size is None else parse_size(index.image_size)
    size, channels = request.edges(index.image_size or DEFAULT_SIZE), request.channels
    if stored is not None and (size[0] > stored[0] or size[1] > stored[1]):
        raise UserError(
            f"{request.name} holds images of {stored[0]}x{stored[1]}, not of {size[0]}x{size[1]}: "
            "prepare it again",
            f", or give --image-size {index.image_size} or less",
        )
    if stored is not None and channels == 4:
        raise UserError(
            f"{request.name} holds scaled images without transparency: prepare it again without an "
            "image size"
        )
    if stored is not None and request.value_range is not None:
        raise UserError(
            f"{request.name} holds scaled images: give --value-range to `tfgan2 prepare` instead"
        )
    shape = (*size, channels or index.channels)
    survey = index.survey if stored else index.survey.with_given(request.ranges)
    # With their counts in the names, the package need not open every file to count.
    instruction = functools.partial(SimpleNamespace, skip=0)
    shards = _array_record("data_source").ArrayRecordDataSource(
        [
            instruction(
                filename=str(path.parent / s.name), take=s.images, examples_in_shard=s.images
            )
            for s in index.shards
        ]
    )

    def image(number: int) -> np.ndarray:
        with one_line(f"cannot read the shards of {path}", RuntimeError, advice=_AGAIN):
            record = shards[number]
        if stored is None:
            try:
                return read_image(record, size=size, channels=shape[-1], ranges=survey.ranges)
            except UnreadableImageError as error:
                raise UserError(f"image {number} of {path} cannot be read: {error}") from error
        pixels = np.frombuffer(record, np.uint8).reshape(*stored, index.channels)
        same = pixels.shape == shape
        return pixels if same else fit(to_pil(pixels), size=size, channels=shape[-1])

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        chosen = numbers.tolist()
        source = decoded_source(len(chosen), lambda i: image(chosen[i]), shape, labels)
        if request.fits_memory(len(chosen), shape):
            images = empty_images((len(chosen), *shape))
            for i, decoded in enumerate(request.in_threads(image, chosen, "reading images")):
                images[i] = decoded
            source = memory_source(images, labels)
        notes = _HELD_OUT if index.held_out else ()
        dataset = ImageDataset(source, request.name, shape, ["prepared", index.digest])
        return replace(dataset, surveys=(survey,), notes=notes)

    labels = None
    if index.label_runs:
        labels = np.repeat(*np.array(index.label_runs, np.int32).T)
    numbers, firsts = np.array(index.copies, int).reshape(-1, 2).T
    copies = np.arange(index.num_images)
    copies[numbers] = firsts
    return build(
        request,
        index.num_images,
        part,
        known=index.class_names,
        labels=labels,
        copies=lambda: copies,
        held_out=index.held_out,
    )


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
    check_unicode(out)
    shards = out.with_name(f"{out.name}.shards")
    _check_new(out, shards)
    if not out.parent.is_dir():
        raise UserError(f"{out.parent} is not a folder: create it, or choose another --out")
    files = with_classes(existing_folder(request.path, "folder:DIR"))
    survey = files.survey(request)
    size, channels = request.image_size, survey.channels
    numbers: list[int] = []
    labels: list[int] = []
    digest = hashlib.sha256(f"{size} {channels}".encode())
    firsts: dict[bytes, int] = {}
    copies: list[tuple[int, int]] = []

    def record(path: str) -> tuple[bytes, bytes]:
        content = read_content(files.root / path)
        edges, ranges = request.edges(DEFAULT_SIZE), survey.ranges
        pixels = read_image(content, size=edges, channels=channels, ranges=ranges)
        content_digest = hashlib.blake2b(content, digest_size=16).digest()
        return content_digest, content if size is None else pixels.tobytes()

    def records() -> Iterator[bytes]:
        for number, (content_digest, content) in files.read(record, "packing images", request):
            if (first := firsts.setdefault(content_digest, len(labels))) < len(labels):
                copies.append((len(labels), first))
            numbers.append(number)
            labels.append(0 if files.labels is None else int(files.labels[number]))
            digest.update(b"%d %d\n" % (labels[-1], len(content)) + content)
            yield content

    problem = f"cannot write the shards of {out}"
    with one_line(problem, RuntimeError, advice=_AGAIN), written_atomically(shards) as partial:
        partial.mkdir()
        written = tuple(_write_shards(records(), partial, shards.name, shard_bytes))
        _check_new(out, shards)  # another process may have packed into the same file
    try:
        runs = tuple((label, len(list(run))) for label, run in itertools.groupby(labels))
        label_runs = runs if files.classes else ()
        index = Index(
            len(labels),
            channels,
            size,
            files.classes,
            label_runs,
            written,
            digest.hexdigest(),
            sum(number >= len(files.paths) - files.held_out for number in numbers),
            survey.formats,
            survey.ranges,
            copies,
        )
        with written_atomically(out) as partial:
            partial.write_text(index.to_json(), encoding="utf-8")
    except BaseException:  # also Ctrl-C: shards without an index are of no use
        shutil.rmtree(shards, ignore_errors=True)
        raise
    return index, tuple(files.skipped)


def _check_new(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise UserError(f"{path} exists: choose another --out, or remove it")


def _write_shards(
    records: Iterator[bytes], partial: Path, final: str, shard_bytes: int
) -> Iterator[Shard]:
    """Writes all records into the folder `partial`, which later gets the name `final`."""
    writer_class = _array_record("module").ArrayRecordWriter
    rest = next(records, None)
    for number in itertools.count():
        if rest is None:
            return
        path = partial / f"{number:05d}.array_record"
        writer = writer_class(str(path), _OPTIONS)
        images = size = 0
        while rest is not None and (not images or size + len(rest) <= shard_bytes):
            writer.write(rest)
            images, size = images + 1, size + len(rest)
            rest = next(records, None)
        writer.close()
        with path.open("r+b") as file:  # Windows syncs no file that is open to read
            os.fsync(file.fileno())
        yield Shard(f"{final}/{path.name}", images, path.stat().st_size)


def _array_record(module: str) -> Any:
    """Returns a module of the package array_record, which raises RuntimeError for all problems."""
    try:
        return import_module(f"array_record.python.array_record_{module}")
    except ImportError as error:
        raise UserError(
            "prepared images need the Python package 'array_record': install it, or train on "
            "folder:DIR"
        ) from error
