"""Datasets of tensorflow-datasets (tfds), which are stored as files of encoded records."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfgan2.data.dataset import ImageDataset, Order, Source, cpu_count
from tfgan2.data.download import image_key, prepared_builder, quiet
from tfgan2.data.request import Request
from tfgan2.data.sources import empty_images, images_from_python, memory_source
from tfgan2.errors import UserError, one_line
from tfgan2.images.files import UnreadableImageError, read_image
from tfgan2.images.ranges import INTEGERS
from tfgan2.images.survey import Survey

DEFAULT_SPLIT = "train"
DEFAULT_SIZE = 64
HELD_OUT = ("validation", "test")
"""Splits that samples are held out of, where they exist."""

LARGEST_NATIVE_SIZE = 128
_FIRST = 64
"""Records that are looked at before the others: for their size, and whether they have labels."""
SHUFFLE_BYTES = 2**27
"""Encoded bytes that the shuffle buffer of a streamed dataset may hold."""

_PARALLEL = {"num_parallel_calls": cpu_count(), "deterministic": True}


def load(request: Request) -> ImageDataset:
    """Loads a dataset of tensorflow-datasets; downloads it where it is not prepared yet."""
    name = request.split or DEFAULT_SPLIT
    if not request.hold_out:
        return load_split(request, name)
    training, rest = _hold_out(request, name, request.hold_out)
    return load_split(request, training, load_split(request, rest))


def load_split(
    request: Request, split_name: str, held_out: ImageDataset | None = None
) -> ImageDataset:
    """Loads exactly one split, and adds what is held out of it."""
    with quiet():
        split = Split(request, split_name)
        if not split.num_images:
            raise UserError(f"{split} holds no images of these classes: choose others")
        in_memory = request.fits_memory(split.num_images, split.image_shape)
        if request.balance and not in_memory:
            raise UserError(
                f"images of {request.name!r} that are not in memory have no numbers, so their "
                "classes cannot be balanced",
                ": leave --balance out, or give --cache memory",
            )
        images, labels = split.read() if in_memory else (None, None)
        source = split.streamed() if images is None else memory_source(images, labels)
    names, content = split.class_names, [*split.content, in_memory]
    dataset = ImageDataset(source, request.name, split.image_shape, content, names)
    counts = () if labels is None else np.bincount(labels, minlength=len(names)).tolist()
    return replace(dataset, held_out=held_out, surveys=(split.survey,), class_counts=tuple(counts))


def _hold_out(request: Request, name: str, count: int) -> tuple[str, str]:
    """Returns the split to train on and the one that is held out.

    The latter is the beginning of another split meant for it, where one has enough samples of the
    chosen classes; otherwise the last samples of the training split.
    """
    with quiet():
        splits = prepared_builder(request).info.splits
        if name not in splits:
            raise UserError(
                f"no images can be held out of split {name!r} of {request.name!r}",
                f": give --hold-out 0, or the plain name of a split: {', '.join(splits)}",
            )
        for other in HELD_OUT:
            if other in splits and other != name:
                positions = Split(request, other).positions
                if len(positions) >= count:
                    return name, f"{other}[:{positions[count - 1] + 1}]"
        positions = Split(request, name).positions
    request.check_held_out(len(positions))
    return f"{name}[:{positions[-count]}]", f"{name}[{positions[-count]}:]"


class Split:
    """One split: encoded images with labels, or -1 where there are none.

    `num_images`, `image_shape` and `class_names` describe the chosen classes, `content` holds the
    name with its version and the split.
    """

    def __init__(self, request: Request, name: str) -> None:
        self._request = request
        self._name = name
        self._builder = prepared_builder(request)
        info = self._builder.info
        self._image_key = image_key(request.name, info.features)
        self._image = info.features[self._image_key]
        keys = [k for k, f in info.features.items() if isinstance(f, tfds.features.ClassLabel)]
        keys = ["label"] if "label" in keys else keys
        self._label_key = keys[0] if len(keys) == 1 else None
        self.content = [info.full_name, name]
        try:
            self._total = int(info.splits[name].num_examples)
        except Exception as error:  # tfds raises several types for a split that is wrong
            raise UserError(
                f"unknown split {name!r} of dataset {request.name!r}: choose from "
                f"{', '.join(info.splits)}; parts as in 'train[:80%]' and sums as in 'train+test' "
                "work, too"
            ) from error
        if not self._total:
            raise UserError(f"{self} holds no images: choose another split")
        with self._one_line():
            first = list(self._records().take(_FIRST).as_numpy_iterator())
        self._mean_bytes = int(np.mean([len(image) for image, _ in first])) if first else 1
        # Splits without labels, such as "unlabelled" of stl10, have -1 everywhere.
        if any(label < 0 for _, label in first):
            self._label_key = None
        known = () if self._label_key is None else info.features[self._label_key].names
        self.class_names, self._new_labels = request.choose_classes(known)
        height, width, channels = self._image.shape
        native = height is not None and height == width and height <= LARGEST_NATIVE_SIZE
        size = request.edges(height if native else DEFAULT_SIZE)
        channels = request.channels or (channels if channels in (1, 3, 4) else 3)
        self.image_shape = (*size, channels)
        bits = 8 * np.dtype(self._image.np_dtype).itemsize
        ranges = {} if bits == 8 else {INTEGERS: (0.0, 65535.0)}
        survey = Survey(f"{info.full_name}, split {name}; {bits} bits", channels == 1, ranges)
        self.survey = survey.with_given(request.ranges)
        self.num_images = self._total if request.classes is None else len(self.positions)

    def __str__(self) -> str:
        return f"split {self._name!r} of dataset {self._request.name!r}"

    def _one_line(self) -> AbstractContextManager[None]:
        """Makes one line of the errors of broken or missing files."""
        advice = "remove its folder and prepare it again"
        return one_line(f"{self} cannot be read", tf.errors.OpError, advice=advice)

    @cached_property
    def positions(self) -> np.ndarray:
        """The positions, as slices count them, of the records of the chosen classes."""
        if self._request.classes is None:
            return np.arange(self._total)
        self._request.progress(f"reading labels of {self._request.name}", 0, self._total)
        with self._one_line():
            batches = self._records(files_at_once=1).map(lambda image, label: label).batch(1024)
            labels = np.concatenate(list(batches.as_numpy_iterator()))
        self._check(labels)
        return np.flatnonzero(self._new_labels[labels] >= 0)

    def _check(self, labels: np.ndarray) -> None:
        """Raises a UserError if only some of the labels are missing."""
        if missing := int((labels < 0).sum() if self.class_names else 0):
            raise UserError(
                f"{missing:,} of {len(labels):,} images of {self} have no label: choose a part of "
                "the split that has labels"
            )

    def read(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns all images, uint8 (N, H, W, C), and their int32 labels or None."""
        images = empty_images((self.num_images, *self.image_shape))
        labels = np.empty(self.num_images, np.int32)
        batches = self._decoded(self._chosen(), 256, drop_remainder=False).prefetch(2)
        done = 0
        with self._one_line():
            for some_images, some_labels in batches.as_numpy_iterator():
                end = done + len(some_images)
                images[done:end], labels[done:end] = some_images, some_labels
                done = end
                self._request.progress(f"reading {self._request.name}", done, self.num_images)
        self._check(labels)
        return images, labels if self.class_names else None

    def streamed(self) -> Source:
        """Returns the records, read and decoded when they are needed.

        They can only be read one after the other, so the order of an epoch is that of the shuffled
        files, passed through a shuffle buffer of `SHUFFLE_BYTES`.
        """
        buffered = max(1, min(self.num_images, SHUFFLE_BYTES // max(1, self._mean_bytes)))

        def batches(order: Order) -> tf.data.Dataset:
            first_epoch, offset = divmod(order.start, self.num_images)

            @tf.autograph.experimental.do_not_convert
            def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
                # A tf.data shuffle mixes in the global seed: set it within this function alone, so
                # that the order does not depend on earlier calls of `tf.random.set_seed`.
                tf.random.set_seed(1)
                key = tf.stack([tf.constant(order.seed & 0x7FFFFFFFFFFFFFFF, tf.int64), epoch])
                seeds = tf.random.stateless_uniform([2], key, 1, tf.int64.max, tf.int64)
                shuffled = self._chosen(file_seed=seeds[0]).shuffle(
                    buffered, seed=seeds[1], reshuffle_each_iteration=False
                )
                return shuffled.skip(tf.where(epoch == first_epoch, tf.cast(offset, tf.int64), 0))

            encoded = tf.data.Dataset.counter(first_epoch).flat_map(one_epoch)
            rows = order.rows
            if order.part.of > 1:  # records have no numbers, so they are read, but not decoded
                whole = encoded.batch(order.batch_size, drop_remainder=True)
                encoded = whole.map(lambda images, labels: (images[rows], labels[rows])).unbatch()
            pairs = self._decoded(encoded, rows.stop - rows.start, drop_remainder=True)
            return pairs if self.class_names else pairs.map(lambda images, labels: images)

        return Source(self.num_images, False, batches)

    def _chosen(self, file_seed: Any = None) -> tf.data.Dataset:
        """Yields the encoded images and new labels of the chosen classes, once."""
        records = self._records(file_seed)
        if self._request.classes is None:
            return records
        table = tf.constant(self._new_labels)
        return records.filter(lambda image, label: table[label] >= 0).map(
            lambda image, label: (image, table[label])
        )

    def _records(self, file_seed: Any = None, files_at_once: int = 4) -> tf.data.Dataset:
        """Yields all encoded images and int32 labels once; a seed shuffles the files."""
        features = dict.fromkeys(filter(None, [self._image_key, self._label_key]), True)
        records = self._builder.as_dataset(
            split=self._name,
            shuffle_files=file_seed is not None,
            decoders=tfds.decode.PartialDecoding(
                features, decoders={self._image_key: tfds.decode.SkipDecoding()}
            ),
            read_config=tfds.ReadConfig(
                shuffle_seed=file_seed,
                shuffle_reshuffle_each_iteration=False,
                try_autocache=False,
                assert_cardinality=False,
                enable_ordering_guard=False,
                interleave_cycle_length=files_at_once,
                override_buffer_size=2**20,
            ),
        )

        def pair(record: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            label = -1 if self._label_key is None else record[self._label_key]
            return record[self._image_key], tf.cast(label, tf.int32)

        return records.map(pair)

    def _decoded(
        self, encoded: tf.data.Dataset, batch_size: int, *, drop_remainder: bool
    ) -> tf.data.Dataset:
        """Yields batches of uint8 images and int32 labels from what `encoded` yields."""
        shape, ranges = self.image_shape, self.survey.ranges

        def read(content: bytes) -> np.ndarray:
            try:
                return read_image(content, size=shape[:2], channels=shape[2], ranges=ranges)
            except UnreadableImageError as error:
                raise UserError(f"an image of {self} cannot be read: {error}") from error

        if tuple(self._image.shape) == shape and np.dtype(self._image.np_dtype) == np.uint8:
            # Nothing to crop or scale: TensorFlow's own decoders are faster.
            decoded = encoded.map(
                lambda image, label: (self._image.decode_example(image), label), **_PARALLEL
            )
            return decoded.batch(batch_size, drop_remainder)
        return encoded.batch(batch_size, drop_remainder).map(
            lambda images, labels: (images_from_python(read, images, shape), labels), **_PARALLEL
        )
