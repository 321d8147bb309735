"""The dataset that training reads, and the order of its samples."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.images.ranges import Ranges
from tfgan2.images.survey import Survey

if TYPE_CHECKING:
    import tensorflow as tf


_SCALED = np.arange(256, dtype=np.float32) / np.float32(127.5) - np.float32(1)
"""The value in [-1, 1] of each byte."""


def cpu_count() -> int:
    """Returns the number of processors to use: those of this process, 16 at most.

    The limit bounds memory: each has a batch in progress.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(available or 1, 16)


@dataclass(frozen=True)
class Part:
    """One of several equal parts of each batch: number `index` of `of`."""

    index: int
    of: int


WHOLE = Part(0, 1)


@dataclass(frozen=True)
class Order:
    """The samples that a source yields, and their order: the arguments of `ImageDataset.batches`.

    The permutation of an epoch depends on (seed, epoch) alone.
    """

    batch_size: int
    seed: int = 0
    start: int = 0
    part: Part = WHOLE
    balance: bool = False

    @property
    def rows(self) -> slice:
        """The rows of each batch that are yielded."""
        index, of = self.part.index, self.part.of
        if not 0 <= index < of or self.batch_size % of:
            raise ValueError(f"a batch of {self.batch_size} has no part {index} of {of}")
        size = self.batch_size // of
        return slice(index * size, (index + 1) * size)


@dataclass(frozen=True)
class Source:
    """Where the samples of an `ImageDataset` come from.

    Samples in memory lie in `tables`: `drawn` yields their numbers, and `look_up` finds them, which
    a device can do by itself if it has a copy of the tables. Other samples are drawn as they are.

    Attributes:
        num_images: number of samples.
        in_memory: whether all are held in memory.
        drawn: yields endless batches of static shape, one for each batch of samples.
        look_up: makes a batch of samples of `tables` and a batch of `drawn`. Images are uint8,
            values that are no pixels, such as points, float32.
        tables: tensors in the machine's memory.
        files: the files that they are read from: the name of each, NUL, its size in bytes, a line
            end.
    """

    num_images: int
    in_memory: bool
    drawn: Callable[[Order], tf.data.Dataset]
    look_up: Callable[[Sequence[tf.Tensor], Any], Any] = lambda tables, drawn: drawn
    tables: tuple[tf.Tensor, ...] = ()
    files: bytes = b""

    def batches(self, order: Order) -> tf.data.Dataset:
        """Yields endless batches, as `ImageDataset.batches`, but not scaled."""

        def sample(*drawn: Any) -> Any:
            return self.look_up(self.tables, whole(drawn))

        drawn = self.drawn(order)
        return drawn.map(sample, num_parallel_calls=cpu_count(), deterministic=True)

    def map(self, function: Callable[..., Any]) -> Source:
        """Returns the source of what `function` makes of each batch."""

        def look_up(tables: Sequence[tf.Tensor], drawn: Any) -> Any:
            return function(*parts(self.look_up(tables, drawn)))

        return replace(self, look_up=look_up)


def parts(batch: Any) -> tuple[Any, ...]:
    """Returns the parts of a batch, which is a tuple if there are several."""
    return batch if isinstance(batch, tuple) else (batch,)


def whole(parts: tuple[Any, ...]) -> Any:
    """Returns the batch that has these parts."""
    return parts if len(parts) > 1 else parts[0]


def scaled(batch: Any) -> Any:
    """Returns a batch with images in float32, in [-1, 1], in place of those in uint8.

    The values are looked up, since TensorFlow divides by 127.5 in some places, and multiplies by
    its inverse in others, which may differ in the last bit.
    """
    import tensorflow as tf

    def each(part: tf.Tensor) -> tf.Tensor:
        is_image = part.dtype == tf.uint8
        return tf.gather(tf.constant(_SCALED), tf.cast(part, tf.int32)) if is_image else part

    return whole(tuple(map(each, parts(batch))))


def endless(pipeline: tf.data.Dataset, prefetched: int = 2) -> tf.data.Dataset:
    """Returns a pipeline that never ends, with the options of all, and what it has prefetched."""
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    # Rewriting the pipeline's graph would copy the tensors in it: all images, once more.
    options.experimental_optimization.apply_default_optimizations = False
    infinite = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return pipeline.apply(infinite).prefetch(prefetched).with_options(options)


@dataclass(eq=False)
class ImageDataset:
    """Samples with images of one shape: images, pairs of images, or images with captions.

    Attributes:
        source: yields the samples before they are scaled.
        name: the name that the user gave.
        image_shape: (height, width, channels) of the images, or of the targets of pairs.
        content: JSON value that distinguishes these samples and their order from others.
        class_names: names of the labels 0, 1, …; () without labels.
        kind: one of `KINDS`.
        skipped: files left out because they cannot be read, relative to their folder.
        held_out: samples kept out of `batches`, or None.
        details: further entries of `facts`.
        sides: the two datasets of unpaired images; else ().
        class_counts: number of samples of each class; () where it is not known.
        surveys: of the files of the images, or of the inputs and of the targets.
        notes: lines for the user, on how the samples were found.
        balance: whether `batches` draws all classes equally often.
    """

    source: Source
    name: str
    image_shape: tuple[int, int, int]
    content: Any
    class_names: tuple[str, ...] = ()
    kind: str = "images"
    skipped: tuple[str, ...] = ()
    held_out: ImageDataset | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    sides: tuple[ImageDataset, ...] = ()
    class_counts: tuple[int, ...] = ()
    surveys: tuple[Survey, ...] = ()
    notes: tuple[str, ...] = ()
    balance: bool = False

    def __repr__(self) -> str:
        shape = f"image_shape={self.image_shape}"
        return f"ImageDataset({self.name!r}, num_images={self.num_images}, {shape})"

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits, equal for equal content in equal order.

        Made from names, shapes, file sizes and ranges of values, not from pixels.
        """
        parts = [self.content, self.image_shape, self.num_images, self.class_names]
        if self.held_out is not None:
            parts.append(self.held_out.fingerprint)
        if self.details:
            parts.append(self.details)
        if any(self.value_ranges):
            parts.append(self.value_ranges)
        if self.balance:
            parts.append("balanced")
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def num_images(self) -> int:
        """Number of samples, at least 1."""
        return self.source.num_images

    @property
    def in_memory(self) -> bool:
        """Whether all images are held in memory; else they are read while training."""
        return self.source.in_memory

    @property
    def value_ranges(self) -> list[Ranges]:
        """The values that became black and white, by kind of file, for each of `surveys`."""
        return [survey.ranges for survey in self.surveys]

    @property
    def facts(self) -> dict[str, Any]:
        """The description of the data that a run keeps and a model is built from.

        Pairs and unpaired images add `input_shape`; captions add `vocabulary`, `caption_length`
        and `captions`, a few examples.
        """
        return {
            "kind": self.kind,
            "image_shape": list(self.image_shape),
            "num_images": self.num_images,
            "held_out": self.held_out.num_images if self.held_out else 0,
            "class_names": list(self.class_names),
            "fingerprint": self.fingerprint,
            "skipped": list(self.skipped),
            "value_ranges": self.value_ranges,
            **self.details,
        }

    def check_batch_size(self, batch_size: int, batches: int = 1) -> None:
        """Raises a UserError unless a step can take `batches` batches of `batch_size` samples."""
        if batch_size < 1:
            raise UserError(f"a batch of {batch_size} images is not possible: give at least 1")
        if batch_size * batches > self.num_images:
            several = f"the {batches} batches of {batch_size} that a step takes"
            needed = several if batches > 1 else f"a batch of {batch_size}"
            raise UserError(
                f"dataset has {self.num_images} images, fewer than {needed}: "
                f"give --batch-size {max(1, self.num_images // batches)} or less"
            )

    def batches(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        start: int = 0,
        part: Part = WHOLE,
        balance: bool | None = None,
    ) -> tf.data.Dataset:
        """Yields endless batches, in an order that is the same in every process.

        Every epoch is a permutation of all samples that depends on (seed, epoch) alone. A batch
        may span two epochs, so all batches have the same size.

        Args:
            batch_size: from 1 to `num_images`.
            seed: any integer.
            start: number of samples consumed before, at least 0: `batches(B, start=k * B)` yields
                what `batches(B)` yields after k batches. The images in between are not decoded.
            part: the part of each batch to yield. The parts of all workers, joined, are the batch.
            balance: draw all classes equally often: of K classes, every K samples hold one of each,
                and each class has epochs of its own. Default: as the dataset says.

        Returns:
            Float32 images in [-1, 1] of static shape (batch_size, H, W, C), or points in their own
            coordinates, (batch_size, 1, 1, 2). With labels, a tuple (images, int32 labels of shape
            (batch_size,)). For pairs and unpaired images, a tuple (inputs, targets). For captions,
            a tuple (images, int32 words of shape (batch_size, caption_length)).

        Raises:
            UserError: the batch is larger than the dataset, or smaller than 1.
            ValueError: `start` is negative.
        """
        self.check_batch_size(batch_size)
        if start < 0:
            raise ValueError(f"start must be at least 0, not {start}")
        balance = self.balance if balance is None else balance
        return endless(
            self.source.batches(Order(batch_size, seed, start, part, balance)).map(
                lambda *batch: scaled(whole(batch)),
                num_parallel_calls=cpu_count(),
                deterministic=True,
            )
        )

    def some(self, count: int, *, seed: int = 0) -> tuple[np.ndarray, ...]:
        """Returns the arrays of the first `count` samples of `batches`, or of all if fewer."""
        batch = next(iter(self.batches(min(count, self.num_images), seed=seed)))
        return tuple(part.numpy() for part in parts(batch))
