"""Datasets of tensorflow-datasets (tfds), which keeps them as files of encoded records."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

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
)
from tfgan2.data.preparing import image_feature, prepared_builder, quiet, short
from tfgan2.data.python_op import images_from_python
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, read_image

if TYPE_CHECKING:
    import tensorflow as tf

DEFAULT_SPLIT = "train"
DEFAULT_SIZE = 64
HELD_OUT = ("validation", "test")
"""Splits that samples are held out of, where there are such."""

LARGEST_NATIVE_SIZE = 128
SHUFFLE_BYTES = 2**27
"""Encoded bytes that the shuffle buffer of a streamed dataset may hold."""

_READ_BUFFER = 2**20
_LOOKED_AT = 64


def load(request: Request) -> ImageDataset:
    """Loads a dataset of tensorflow-datasets; downloads it where it is not prepared yet.

    Raises:
        UserError: an unknown name, configuration, split or class, a dataset without images, one
            that cannot be downloaded or read.
    """
    if not request.hold_out:
        return load_split(request)
    training, rest = _splits(request)
    held_out = load_split(replace(request, split=rest))
    return load_split(replace(request, split=training), held_out)


def load_split(request: Request, held_out: ImageDataset | None = None) -> ImageDataset:
    """As `load`, of the very split that the request names, with what others hold out."""
    with quiet():
        records, names, shape, num_images = _chosen(request)
        source: Source
        in_memory = request.fits_memory(num_images, shape)
        if in_memory:
            source = MemorySource(*_to_arrays(records, num_images, shape, request))
        else:
            source = RecordSource(records, num_images, shape)
    return ImageDataset(
        source,
        name=request.name,
        image_shape=shape,
        class_names=names,
        content=[*records.content, in_memory],
        held_out=held_out,
    )


def _splits(request: Request) -> tuple[str, str]:
    """The split to train on and the one that is held out.

    The latter is of another split that is meant for it, where there is one with enough samples of
    the classes asked for; else training misses its last samples.
    """
    name, count = request.split or DEFAULT_SPLIT, request.hold_out
    with quiet():
        there = prepared_builder(request).info.splits
        if name not in there:
            raise UserError(
                f"of the split {name!r} no images can be held out: give --hold-out 0, or the plain "
                f"name of a split of {request.name!r}: {', '.join(there)}"
            )
        for other in HELD_OUT:
            if other in there and other != name:
                places = _places(request, other)
                if len(places) >= count:
                    return name, f"{other}[:{places[count - 1] + 1}]"
        places = _places(request, name)
    if count >= len(places):
        raise UserError(
            f"dataset {request.name!r} has {len(places)} samples: of these {count} "
            "cannot be held out, give a smaller --hold-out"
        )
    return f"{name}[:{places[-count]}]", f"{name}[{places[-count]}:]"


def _places(request: Request, split: str) -> np.ndarray:
    """The places in a split of the records of the classes asked for, as slices count them."""
    builder = prepared_builder(request)
    if request.classes is None:
        return np.arange(builder.info.splits[split].num_examples)
    records = _Records(request.name, builder, split)
    records.check()
    _, new_labels = choose_classes(request.classes, records.class_names, name=request.name)
    return np.flatnonzero(new_labels[records.labels(request)] >= 0)


@dataclass(frozen=True)
class Arrays:
    """The images of a dataset, for others to be made of them.

    Attributes:
        images: uint8, shape (N, H, W, C).
        labels: int32, shape (N,), or None.
        class_names: in the order of the labels.
        content: tells them from others, fit for JSON.
    """

    images: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    content: list[str]


def load_arrays(request: Request) -> Arrays:
    """As `load`, always into memory, and in the order of the files."""
    with quiet():
        records, names, shape, num_images = _chosen(request)
        images, labels = _to_arrays(records, num_images, shape, request)
    return Arrays(images, labels, names, records.content)


def _chosen(request: Request) -> tuple[_Records, tuple[str, ...], tuple[int, int, int], int]:
    """The records asked for, the names of their classes, the images' shape and their number."""
    records = _Records(request.name, prepared_builder(request), request.split or DEFAULT_SPLIT)
    records.check()
    names, labels = choose_classes(request.classes, records.class_names, name=request.name)
    if request.classes is not None:
        records.keep(labels)
    size, channels = _shape(request, records.image)
    num_images = records.count(request)
    if not num_images:
        raise UserError(f"{records} holds no images of these classes: choose others")
    return records, names, (size, size, channels), num_images


# --- what a record holds -------------------------------------------------------------------------


def _label_feature(features: Any) -> str | None:
    """The key of the labels: "label", or that of the only ones."""
    import tensorflow_datasets as tfds

    found = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    if "label" in found:
        return "label"
    return found[0] if len(found) == 1 else None


def _shape(request: Request, image: Any) -> tuple[int, int]:
    """Edge and channels of the images: as asked for, or as they are."""
    height, width, channels = image.shape
    size = request.image_size
    if size is None:
        native = height is not None and height == width and height <= LARGEST_NATIVE_SIZE
        size = height if native else DEFAULT_SIZE
    return size, request.channels or (channels if channels in (1, 3, 4) else 3)


class _Records:
    """One split: encoded images with labels, or -1 where there are none."""

    def __init__(self, name: str, builder: Any, split: str) -> None:
        self.name = name
        self.split = split
        self._builder = builder
        features = builder.info.features
        self._image_key = image_feature(name, features)
        self._label_key = _label_feature(features)
        self.image = features[self._image_key]
        self._new_labels: np.ndarray | None = None

    def __str__(self) -> str:
        return f"split {self.split!r} of dataset {self.name!r}"

    def check(self) -> None:
        """Looks whether the split exists and at its first records.

        Raises:
            UserError: it does not, or its files cannot be read.
        """
        splits = self._builder.info.splits
        try:
            self._all = int(splits[self.split].num_examples)
        except Exception as error:  # tfds raises several types for a split that is wrong
            there = ", ".join(splits)
            raise UserError(
                f"unknown split {self.split!r} of dataset {self.name!r}: choose from {there}; "
                "parts as in 'train[:80%]' and sums as in 'train+test' are possible, too"
            ) from error
        if not self._all:
            raise UserError(f"{self} holds no images: choose another split")
        with _readable(self):
            first = list(self.encoded().take(_LOOKED_AT).as_numpy_iterator())
        self.mean_bytes = int(np.mean([len(image) for image, _ in first])) if first else 1
        # Splits without labels, for example stl10's "unlabelled", have -1 everywhere.
        if any(label < 0 for _, label in first):
            self._label_key = None

    @property
    def content(self) -> list[str]:
        """What tells these records from others: name with version, and split."""
        return [self._builder.info.full_name, self.split]

    @property
    def class_names(self) -> tuple[str, ...]:
        if self._label_key is None:
            return ()
        return tuple(self._builder.info.features[self._label_key].names)

    def keep(self, new_labels: np.ndarray) -> None:
        """Leaves out the records for whose label `new_labels` has -1, and relabels the others."""
        self._new_labels = new_labels

    def count(self, request: Request) -> int:
        """How many records are kept."""
        if self._new_labels is None:
            return self._all
        request.progress(f"counting images of {self.name}", 0, self._all)
        with _readable(self):
            ones = self.encoded().map(lambda image, label: np.int64(1))
            return int(ones.reduce(np.int64(0), lambda total, one: total + one))

    def labels(self, request: Request) -> np.ndarray:
        """The labels of all records, int32, in the order that slices of the split go by."""
        request.progress(f"reading labels of {self.name}", 0, self._all)
        with _readable(self):
            labels = self.encoded(at_once=1).map(lambda image, label: label).batch(1024)
            return np.concatenate(list(labels.as_numpy_iterator()))

    def encoded(self, file_seed: Any = None, at_once: int = 4) -> tf.data.Dataset:
        """Encoded images and int32 labels of the records kept, once, in the order of the files.

        Args:
            file_seed: an integer or a tensor; the order of the files is shuffled with it.
            at_once: how many files are read by turns.
        """
        import tensorflow as tf
        import tensorflow_datasets as tfds

        wanted = {self._image_key: True}
        if self._label_key is not None:
            wanted[self._label_key] = True
        records = self._builder.as_dataset(
            split=self.split,
            shuffle_files=file_seed is not None,
            decoders=tfds.decode.PartialDecoding(
                wanted, decoders={self._image_key: tfds.decode.SkipDecoding()}
            ),
            read_config=tfds.ReadConfig(
                shuffle_seed=file_seed,
                shuffle_reshuffle_each_iteration=False,
                try_autocache=False,
                assert_cardinality=False,
                enable_ordering_guard=False,
                interleave_cycle_length=at_once,
                override_buffer_size=_READ_BUFFER,
            ),
        )

        def pair(record: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            label = -1 if self._label_key is None else record[self._label_key]
            return record[self._image_key], tf.cast(label, tf.int32)

        records = records.map(pair)
        if self._new_labels is None:
            return records
        table = tf.constant(self._new_labels)
        return records.filter(lambda image, label: table[label] >= 0).map(
            lambda image, label: (image, table[label])
        )

    def decoded(
        self,
        encoded: tf.data.Dataset,
        shape: tuple[int, int, int],
        batch_size: int,
        *,
        drop_remainder: bool,
    ) -> tf.data.Dataset:
        """Batches of uint8 images of that shape and int32 labels, from what `encoded` gave."""

        def read(content: bytes) -> np.ndarray:
            try:
                return read_image(content, size=shape[0], channels=shape[2])
            except UnreadableImageError as error:
                raise UserError(f"an image of {self} cannot be read: {error}") from error

        def decode_one(image: tf.Tensor, label: tf.Tensor) -> Any:
            return self.image.decode_example(image), label

        def decode_batch(images: tf.Tensor, labels: tf.Tensor) -> Any:
            return images_from_python(read, images, shape), labels

        how = {"num_parallel_calls": cpu_count(), "deterministic": True}
        if tuple(self.image.shape) == shape and np.dtype(self.image.np_dtype) == np.uint8:
            # Nothing to cut or scale: TensorFlow's own decoders are faster.
            return encoded.map(decode_one, **how).batch(batch_size, drop_remainder)
        return encoded.batch(batch_size, drop_remainder).map(decode_batch, **how)

    @property
    def labelled(self) -> bool:
        return self._label_key is not None


@contextlib.contextmanager
def _readable(records: _Records) -> Iterator[None]:
    """Says so in one line if the prepared files are broken or missing."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise UserError(
            f"{records} cannot be read: {short(error)}; remove its folder and prepare it again"
        ) from error


# --- reading -------------------------------------------------------------------------------------


def _to_arrays(
    records: _Records, num_images: int, shape: tuple[int, int, int], request: Request
) -> tuple[np.ndarray, np.ndarray | None]:
    images = empty_images((num_images, *shape))
    labels = np.empty(num_images, np.int32)
    batches = records.decoded(records.encoded(), shape, 256, drop_remainder=False).prefetch(2)
    done = 0
    with _readable(records):
        for some_images, some_labels in batches.as_numpy_iterator():
            end = done + len(some_images)
            images[done:end], labels[done:end] = some_images, some_labels
            done = end
            request.progress(f"reading {records.name}", done, num_images)
    return images, labels if records.labelled else None


@dataclass
class RecordSource:
    """Records, read and decoded while they are asked for.

    They can only be read one after the other, so that an epoch's order is that of the shuffled
    files, passed through a shuffle buffer of `SHUFFLE_BYTES`.
    """

    records: _Records
    num_images: int
    image_shape: tuple[int, int, int]
    in_memory = False

    @cached_property
    def _buffered(self) -> int:
        return max(1, min(self.num_images, SHUFFLE_BYTES // max(1, self.records.mean_bytes)))

    def batches(
        self, batch_size: int, *, seed: int, start: int, part: Part = WHOLE
    ) -> tf.data.Dataset:
        import tensorflow as tf

        first_epoch, offset = divmod(start, self.num_images)

        @tf.autograph.experimental.do_not_convert
        def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            # A tf.data shuffle mixes the global seed in: here it is that of this function alone, so
            # that the order is the same whatever `tf.random.set_seed` was called with before.
            tf.random.set_seed(1)
            key = tf.stack([tf.constant(seed & 0x7FFFFFFFFFFFFFFF, tf.int64), epoch])
            seeds = tf.random.stateless_uniform([2], key, 1, tf.int64.max, tf.int64)
            shuffled = self.records.encoded(file_seed=seeds[0]).shuffle(
                self._buffered, seed=seeds[1], reshuffle_each_iteration=False
            )
            return shuffled.skip(tf.where(epoch == first_epoch, tf.cast(offset, tf.int64), 0))

        encoded = tf.data.Dataset.counter(first_epoch).flat_map(one_epoch)
        chosen = part.of_batch(batch_size)
        if part.of > 1:  # read, since records have no numbers, but not decoded
            encoded = (
                encoded.batch(batch_size, drop_remainder=True)
                .map(lambda images, labels: (images[chosen], labels[chosen]))
                .unbatch()
            )
        size = chosen.stop - chosen.start
        batches = self.records.decoded(encoded, self.image_shape, size, drop_remainder=True)
        return batches if self.records.labelled else batches.map(lambda images, labels: images)
