"""`prepared:FILE`: images packed into shards by `tfgan2 prepare`.

FILE is an index in JSON; the shards lie in a folder beside it, in the format ArrayRecord: one
record per image, found by its number, with a checksum. A record is an image file as it was, or the
pixels if all images were scaled.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from tfgan2.data.dataset import ImageDataset
from tfgan2.data.files import DEFAULT_SIZE
from tfgan2.data.request import Request, build
from tfgan2.errors import UserError
from tfgan2.images import to_pil
from tfgan2.images.files import UnreadableImageError, fit, read_image

FORMAT = 1


@dataclass(frozen=True)
class Shard:
    """A file of records.

    Attributes:
        name: relative to the folder of the index, with "/" between its parts.
        images: number of records.
        bytes: size of the file.
    """

    name: str
    images: int
    bytes: int


@dataclass(frozen=True)
class Index:
    """The content of FILE; the images are in the order of their folder.

    Attributes:
        num_images: at least 1.
        channels: 1 if the images are grey, else 3.
        image_size: edge of the pixels in the records, or None where these are files.
        class_names: () without labels.
        label_runs: pairs of a label and the number of successive images that have it.
        shards: in order.
        digest: sha256 of all records and labels.
    """

    num_images: int
    channels: int
    image_size: int | None
    class_names: tuple[str, ...]
    label_runs: tuple[tuple[int, int], ...]
    shards: tuple[Shard, ...]
    digest: str

    def to_json(self) -> str:
        return json.dumps({"tfgan2_prepared": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Index:
        """Reads FILE, and checks that all shards exist in full; they are not read."""
        if not path.exists():
            raise UserError(f"{str(path)!r} does not exist: create it with `tfgan2 prepare`")
        if path.is_dir():
            raise UserError(f"{str(path)!r} is a folder: give prepared:FILE, or folder:{path}")
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            if fields.pop("tfgan2_prepared") != FORMAT:
                raise UserError(
                    f"{path} was written by another version of tfgan2: prepare it again"
                )
            fields["shards"] = tuple(Shard(**shard) for shard in fields["shards"])
            fields["class_names"] = tuple(fields["class_names"])
            fields["label_runs"] = tuple((label, count) for label, count in fields["label_runs"])
            index = cls(**fields)
        except UserError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} was not written by `tfgan2 prepare`, or is damaged: prepare it again"
            ) from error
        for shard in index.shards:
            file = path.parent / shard.name
            if not file.is_file():
                raise UserError(f"{file} is missing: it belongs to {path}, copy it there")
            if file.stat().st_size != shard.bytes:
                raise UserError(f"{file} is damaged: copy it once more, or prepare it again")
        return index


@contextlib.contextmanager
def one_line(action: str, path: Path) -> Iterator[None]:
    """Turns errors of the package array_record into one line that says "cannot ACTION"."""
    try:
        yield
    except ImportError as error:
        raise UserError(
            "prepared images need the Python package 'array_record': install it, or train on "
            "folder:DIR"
        ) from error
    except RuntimeError as error:  # the package raises it for everything that goes wrong
        reason = shorten(str(error), 120, placeholder="…")
        raise UserError(
            f"cannot {action} the shards of {path}: {reason}; prepare it again"
        ) from error


def load(request: Request) -> ImageDataset:
    """Opens prepared images; none is decoded yet, since all were when they were packed."""
    from tfgan2.data.sources import decoded_source, empty_images, memory_source

    if not request.path:
        raise UserError("prepared: lacks its file: give prepared:FILE")
    path = Path(request.path).expanduser()
    index = Index.read(path)
    stored = index.image_size
    size = request.image_size or stored or DEFAULT_SIZE
    shape = (size, size, request.channels or index.channels)
    if stored is not None and size > stored:
        raise UserError(
            f"{request.name} holds images of {stored}x{stored}: give --image-size {stored} or "
            "less, or prepare it again"
        )
    if stored is not None and request.channels == 4:
        raise UserError(
            f"{request.name} holds scaled images without transparency: for --channels 4 "
            "prepare it without --image-size"
        )
    records = Records(path, index, shape)

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        source = decoded_source(len(numbers), lambda i: records.image(numbers[i]), shape, labels)
        if request.fits_memory(len(numbers), shape):
            images = empty_images((len(numbers), *shape))
            decoded = request.in_threads(records.image, numbers.tolist(), "reading images")
            for i, image in enumerate(decoded):
                images[i] = image
            source = memory_source(images, labels)
        return ImageDataset(source, request.name, shape, ["prepared", index.digest])

    labels = None
    if index.label_runs:
        labels = np.repeat(*np.array(index.label_runs, np.int32).T)
    return build(request, index.num_images, part, known=index.class_names, labels=labels)


@dataclass(frozen=True)
class Records:
    """The records of the index FILE, as images of one shape."""

    path: Path
    index: Index
    shape: tuple[int, int, int]

    @cached_property
    def _shards(self) -> Any:
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        # With their counts in the names, it need not open every file to count.
        folder = self.path.parent
        return ArrayRecordDataSource(
            [f"{folder / s.name}[0:{s.images}]" for s in self.index.shards]
        )

    def image(self, number: int) -> np.ndarray:
        """Returns an image, uint8 of `shape`; may be called from several threads."""
        with one_line("read", self.path):
            record = self._shards[int(number)]
        size, _, channels = self.shape
        stored = self.index.image_size
        if stored is None:
            try:
                return read_image(record, size=size, channels=channels)
            except UnreadableImageError as error:
                raise UserError(f"image {number} of {self.path} cannot be read: {error}") from error
        pixels = np.frombuffer(record, np.uint8).reshape(stored, stored, self.index.channels)
        return (
            pixels
            if pixels.shape == self.shape
            else fit(to_pil(pixels), size=size, channels=channels)
        )
