"""`prepared:FILE`: pictures that `tfgan2 prepare` has packed into shards.

FILE is an index in JSON; the shards lie in a folder beside it, in the format ArrayRecord: a record
for each picture, read by its number, with a checksum. A record is a picture's file as it was, or,
where all were scaled, its pixels.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tfgan2.data.dataset import (
    WHOLE,
    ImageDataset,
    MemorySource,
    Part,
    Request,
    Source,
    choose_classes,
    cpu_count,
    empty_images,
    shuffled_indices,
    with_held_out,
)
from tfgan2.data.python_op import images_from_python
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, fit, read_image

if TYPE_CHECKING:
    import tensorflow as tf

PREFIX = "prepared:"
DEFAULT_SIZE = 64
FORMAT = 1

_CHUNK = 512


@dataclass(frozen=True)
class Shard:
    """A file of records.

    Attributes:
        name: relative to the folder of the index, with "/" between its parts.
        images: how many records.
        bytes: size of the file.
    """

    name: str
    images: int
    bytes: int


@dataclass(frozen=True)
class Index:
    """What FILE says of the pictures; their order is that of the folder they come from.

    Attributes:
        num_images: at least 1.
        channels: 1 if the pictures are grey, else 3.
        image_size: edge of the pixels that are the records, or None where these are files.
        class_names: () where there are no labels.
        label_runs: pairs of a label and how many pictures in succession have it.
        shards: in order.
        digest: of all records and labels.
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
        """Reads FILE, and looks whether the shards are there and whole; they are not read.

        Raises:
            UserError: one is missing or damaged.
        """
        if not path.exists():
            raise UserError(f"{str(path)!r} does not exist: make it with `tfgan2 prepare`")
        if path.is_dir():
            raise UserError(f"{str(path)!r} is a folder: give prepared:FILE, or folder:{path}")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("tfgan2_prepared") != FORMAT:
                raise UserError(
                    f"{path} was written by another version of tfgan2: prepare it again"
                )
            shards = tuple(Shard(**shard) for shard in content.pop("shards"))
            names = tuple(content.pop("class_names"))
            runs = tuple((label, count) for label, count in content.pop("label_runs"))
            index = cls(shards=shards, class_names=names, label_runs=runs, **content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"{path} was not written by `tfgan2 prepare`, or is damaged: prepare it again"
            ) from error
        for shard in shards:
            file = path.parent / shard.name
            if not file.is_file():
                raise UserError(f"{file} is missing: it belongs to {path}, copy it there")
            if file.stat().st_size != shard.bytes:
                raise UserError(f"{file} is damaged: copy it once more, or prepare it again")
        return index


@contextlib.contextmanager
def array_records(do: str, path: Path) -> Iterator[None]:
    """Says in one line what is wrong with the shards of FILE, or with the package for them.

    Args:
        do: what is done with them: "read" or "write".
        path: FILE.
    """
    try:
        yield
    except ImportError as error:
        raise UserError(
            "prepared pictures need the Python package 'array_record': install it, or train on "
            "folder:DIR"
        ) from error
    except RuntimeError as error:  # what the package raises for all that goes wrong
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"cannot {do} the shards of {path}: {reason}; prepare it again") from error


def load(request: Request) -> ImageDataset:
    """Opens prepared pictures; none is read until it is asked for, since all were when packed.

    Raises:
        UserError: no such file, a shard that is missing or damaged, an unknown class, pixels of a
            size or channels that the records do not hold.
    """
    given = request.name.removeprefix(PREFIX)
    if not given:
        raise UserError("prepared: lacks its file: give prepared:FILE")
    path = Path(given).expanduser()
    index = Index.read(path)
    names, relabelled = choose_classes(request.classes, index.class_names, name=request.name)
    labels = index.labels
    numbers = np.arange(index.num_images)
    if request.classes is not None and labels is not None:
        labels = relabelled[labels]
        numbers = np.flatnonzero(labels >= 0)
    shape = _shape(index, request)
    records = Records(path, index, shape)

    def part(chosen: np.ndarray, held_out: ImageDataset | None) -> ImageDataset:
        mine = numbers[chosen]
        own = None if labels is None else labels[mine]
        source: Source = PreparedSource(records, mine, own)
        if request.fits_memory(len(mine), shape):
            source = MemorySource(records.read_all(mine, request), own)
        return ImageDataset(
            source,
            name=request.name,
            image_shape=shape,
            class_names=names,
            content=["prepared", index.digest],
            held_out=held_out,
        )

    return with_held_out(len(numbers), request, part)


def _shape(index: Index, request: Request) -> tuple[int, int, int]:
    """Of the images: as asked for, or as they are."""
    size = request.image_size or index.image_size or DEFAULT_SIZE
    channels = request.channels or index.channels
    if index.image_size is not None:
        if size > index.image_size:
            raise UserError(
                f"{request.name} holds images of {index.image_size}x{index.image_size}: give "
                f"--image-size {index.image_size} or less, or prepare it again"
            )
        if channels == 4:
            raise UserError(
                f"{request.name} holds scaled images without transparency: for --channels 4 "
                "prepare it without --image-size"
            )
    return size, size, channels


class Records:
    """The pictures of an index, by their numbers, as images of one shape."""

    def __init__(self, path: Path, index: Index, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self._path = path
        self._index = index

    @cached_property
    def _shards(self) -> Any:
        with array_records("read", self._path):
            from array_record.python.array_record_data_source import ArrayRecordDataSource

            # Told how many there are, it need not open every file to count.
            return ArrayRecordDataSource(
                [f"{self._path.parent / s.name}[0:{s.images}]" for s in self._index.shards]
            )

    def image(self, number: int) -> np.ndarray:
        """One picture, uint8 of `shape`; may be called from several threads.

        Raises:
            UserError: the record is damaged.
        """
        with array_records("read", self._path):
            record = self._shards[number]
        size, _, channels = self.shape
        own = self._index.image_size
        if own is not None:
            pixels = np.frombuffer(record, np.uint8).reshape(own, own, self._index.channels)
            if pixels.shape == self.shape:
                return pixels
            picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
            return fit(picture, size=size, channels=channels)
        try:
            return read_image(record, size=size, channels=channels)
        except UnreadableImageError as error:
            raise UserError(f"picture {number} of {self._path} cannot be read: {error}") from error

    def read_all(self, numbers: np.ndarray, request: Request) -> np.ndarray:
        """Some pictures in order, uint8, shape (N, H, W, C)."""
        images = empty_images((len(numbers), *self.shape))
        with ThreadPoolExecutor(cpu_count()) as pool:
            for begin in range(0, len(numbers), _CHUNK):
                request.progress("reading pictures", begin, len(numbers))
                chunk = numbers[begin : begin + _CHUNK].tolist()
                for place, image in enumerate(pool.map(self.image, chunk), begin):
                    images[place] = image
        request.progress("reading pictures", len(numbers), len(numbers))
        return images


class PreparedSource:
    """Records, read by their numbers while they are asked for."""

    in_memory = False

    def __init__(self, records: Records, numbers: np.ndarray, labels: np.ndarray | None) -> None:
        """
        Args:
            records: all of them.
            numbers: int64, shape (N,): which of the records are the samples.
            labels: int32, shape (N,), or None.
        """
        import tensorflow as tf

        self.num_images = len(numbers)
        self._records = records
        with tf.device("/CPU:0"):
            self._numbers = tf.constant(numbers, tf.int64)
            self._labels = None if labels is None else tf.constant(labels, tf.int32)

    def batches(
        self, batch_size: int, *, seed: int, start: int, part: Part = WHOLE
    ) -> tf.data.Dataset:
        import tensorflow as tf

        def read(indices: tf.Tensor) -> Any:
            numbers = tf.gather(self._numbers, indices)
            images = images_from_python(self._image, numbers, self._records.shape)
            if self._labels is None:
                return images
            return images, tf.gather(self._labels, indices)

        return shuffled_indices(self.num_images, batch_size, seed=seed, start=start, part=part).map(
            read, num_parallel_calls=cpu_count(), deterministic=True
        )

    def _image(self, number: np.int64) -> np.ndarray:
        return self._records.image(int(number))
