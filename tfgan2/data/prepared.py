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
from typing import Any

import numpy as np
from PIL import Image

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.parallel import in_threads
from tfgan2.data.request import Request, build, choose_classes, keep_classes
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, fit, read_image

DEFAULT_SIZE = 64
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

    @property
    def labels(self) -> np.ndarray | None:
        """int32, shape (num_images,), or None."""
        if not self.label_runs:
            return None
        labels, counts = np.array(self.label_runs, np.int32).T
        return np.repeat(labels, counts)

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
    """Turns errors of the package array_record into one line.

    Args:
        action: "read" or "write".
        path: FILE.
    """
    try:
        yield
    except ImportError as error:
        raise UserError(
            "prepared images need the Python package 'array_record': install it, or train on "
            "folder:DIR"
        ) from error
    except RuntimeError as error:  # the package raises it for everything that goes wrong
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"cannot {action} the shards of {path}: {reason}; prepare it again"
        ) from error


def load(request: Request) -> ImageDataset:
    """Opens prepared images; none is decoded yet, since all were when they were packed."""
    from tfgan2.data.sources import DecodedSource, MemorySource, empty_images

    if not request.path:
        raise UserError("prepared: lacks its file: give prepared:FILE")
    path = Path(request.path).expanduser()
    index = Index.read(path)
    labels = index.labels
    if labels is None:
        names, _ = choose_classes(request.classes, (), name=request.name)
        numbers = np.arange(index.num_images)
    else:
        names, labels, numbers = keep_classes(request, index.class_names, labels)
    records = Records(path, index, request)
    shape = records.shape

    def part(indices: np.ndarray) -> tuple[Source, list[str], tuple[str, ...]]:
        chosen = numbers[indices]
        some = None if labels is None else labels[indices]
        source: Source = DecodedSource(len(chosen), lambda i: records.image(chosen[i]), shape, some)
        if request.fits_memory(len(chosen), shape):
            images = empty_images((len(chosen), *shape))
            decoded = in_threads(records.image, chosen, "reading images", request.progress)
            for i, image in enumerate(decoded):
                images[i] = image
            source = MemorySource(images, some)
        return source, ["prepared", index.digest], ()

    return build(request, len(numbers), part, image_shape=shape, class_names=names)


class Records:
    """The records of an index, as images of one shape.

    Attributes:
        shape: (height, width, channels) of the images.
    """

    def __init__(self, path: Path, index: Index, request: Request) -> None:
        size = request.image_size or index.image_size or DEFAULT_SIZE
        self.shape = (size, size, request.channels or index.channels)
        self._path = path
        self._index = index
        if index.image_size is not None and size > index.image_size:
            raise UserError(
                f"{request.name} holds images of {index.image_size}x{index.image_size}: give "
                f"--image-size {index.image_size} or less, or prepare it again"
            )
        if index.image_size is not None and request.channels == 4:
            raise UserError(
                f"{request.name} holds scaled images without transparency: for --channels 4 "
                "prepare it without --image-size"
            )

    @cached_property
    def _shards(self) -> Any:
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        # With their counts in the names, it need not open every file to count.
        return ArrayRecordDataSource(
            [f"{self._path.parent / s.name}[0:{s.images}]" for s in self._index.shards]
        )

    def image(self, number: int) -> np.ndarray:
        """Returns an image, uint8 of `shape`; may be called from several threads.

        Raises:
            UserError: the record is damaged.
        """
        with one_line("read", self._path):
            record = self._shards[int(number)]
        size, _, channels = self.shape
        stored = self._index.image_size
        if stored is None:
            try:
                return read_image(record, size=size, channels=channels)
            except UnreadableImageError as error:
                raise UserError(
                    f"image {number} of {self._path} cannot be read: {error}"
                ) from error
        pixels = np.frombuffer(record, np.uint8).reshape(stored, stored, self._index.channels)
        if pixels.shape == self.shape:
            return pixels
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        return fit(image, size=size, channels=channels)
