"""The dataset that training sees, the order of its samples, and images held in memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from tfgan2.errors import UserError, unknown

if TYPE_CHECKING:
    import tensorflow as tf

Cache = Literal["auto", "memory", "stream"]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Part:
    """Which part of each batch: number `index` of `of` equal ones."""

    index: int
    of: int

    def of_batch(self, batch_size: int) -> slice:
        """Where it is in a batch; raises a ValueError unless the batch can be divided so."""
        if not 0 <= self.index < self.of or batch_size % self.of:
            raise ValueError(f"a batch of {batch_size} has no part {self.index} of {self.of}")
        size = batch_size // self.of
        return slice(self.index * size, (self.index + 1) * size)


WHOLE = Part(0, 1)


@dataclass(frozen=True)
class Kind:
    """A kind of samples.

    Attributes:
        give: what to give as --dataset.
        example: a name that can stand there.
    """

    give: str
    example: str


KINDS = {
    "images": Kind("the name of a dataset of images, folder:PATH or prepared:FILE", "digits"),
    "pairs": Kind("pairs:DIR", "pairs:DIR"),
    "unpaired": Kind("unpaired:DIR_A,DIR_B", "unpaired:DIR_A,DIR_B"),
    "captions": Kind("captions:FILE.jsonl, or digits-captions", "digits-captions"),
}

MEMORY_LIMIT = 2**30
"""Bytes of pixels up to which `cache="auto"` keeps a dataset in memory."""


@dataclass(frozen=True)
class Request:
    """What was asked of `load_dataset`, checked as far as no data is needed for it."""

    name: str
    image_size: int | None
    channels: int | None
    classes: tuple[str, ...] | None
    split: str | None
    data_dir: str | None
    cache: Cache
    skip_unreadable: bool
    hold_out: int
    direction: str
    progress: Progress

    def fits_memory(self, num_images: int, image_shape: tuple[int, int, int]) -> bool:
        """Whether the images are to be held in memory."""
        if self.cache == "auto":
            return num_images * int(np.prod(image_shape)) <= MEMORY_LIMIT
        return self.cache == "memory"


class Source(Protocol):
    """Where the samples of an `ImageDataset` come from."""

    num_images: int
    in_memory: bool

    def batches(
        self, batch_size: int, *, seed: int, start: int, part: Part = WHOLE
    ) -> tf.data.Dataset:
        """Endless batches as those of `ImageDataset`, but of uint8 images.

        Float32 is for what is no picture, such as points: it is passed on as it is. The static
        shape is (batch_size, H, W, C), or of a part that of the part. Every epoch is a permutation
        that depends on (seed, epoch) alone; the first batch begins at the sample number `start`.
        """


class ImageDataset:
    """Samples with images of one shape: images, pairs of images, or images with captions.

    Attributes:
        source: of the samples before they are scaled.
        name: as the user gave it.
        kind: one of `KINDS`.
        image_shape: (height, width, channels); of pairs and unpaired images, those to be made.
        num_images: how many samples there are, at least 1.
        class_names: in the order of the labels; () where there are none.
        in_memory: whether all images are held in memory; else they are read while training.
        skipped: files left out since they cannot be read, as paths relative to their folder.
        held_out: samples that `batches` does not yield, or None where nothing was held out.
        sides: of unpaired images, those of either kind by themselves; else ().
        fingerprint: 16 hexadecimal digits, equal for equal content in equal order. It is made from
            names, shapes and file sizes, not from pixels.
    """

    fingerprint: str

    def __init__(
        self,
        source: Source,
        *,
        name: str,
        image_shape: tuple[int, int, int],
        class_names: tuple[str, ...],
        content: Any,
        skipped: tuple[str, ...] = (),
        kind: str = "images",
        held_out: ImageDataset | None = None,
        details: Mapping[str, Any] | None = None,
        sides: tuple[ImageDataset, ...] = (),
    ) -> None:
        """
        Args:
            content: whatever tells this content and its order from another, fit for JSON.
            details: what else `facts` shall tell.
            sides: of unpaired images.
        """
        self.source = source
        self.name = name
        self.kind = kind
        self.image_shape = image_shape
        self.num_images = source.num_images
        self.class_names = class_names
        self.in_memory = source.in_memory
        self.skipped = skipped
        self.held_out = held_out
        self.sides = sides
        self._details = dict(details or {})
        told: list[Any] = [content, image_shape, source.num_images, class_names]
        if held_out is not None:
            told.append(held_out.fingerprint)
        if self._details:
            told.append(self._details)
        self.fingerprint = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    @property
    def facts(self) -> dict[str, Any]:
        """What a run's configuration keeps of the data, and a model is made by.

        Of pairs and unpaired images also `input_shape`, of captions `vocabulary`,
        `caption_length` and `captions`, some of them.
        """
        return {
            "kind": self.kind,
            "image_shape": list(self.image_shape),
            "num_images": self.num_images,
            "held_out": self.held_out.num_images if self.held_out else 0,
            "class_names": list(self.class_names),
            "fingerprint": self.fingerprint,
            "skipped": list(self.skipped),
            **self._details,
        }

    def check_batch_size(self, batch_size: int, batches: int = 1) -> None:
        """Raises a UserError unless a step can take so many batches of so many samples."""
        if batch_size < 1:
            raise UserError(f"a batch of {batch_size} images is not possible: give at least 1")
        if batch_size * batches > self.num_images:
            step = f"the {batches} batches of {batch_size} that a step takes"
            raise UserError(
                f"dataset has {self.num_images} images, fewer than "
                f"{f'a batch of {batch_size}' if batches == 1 else step}: "
                f"give --batch-size {max(1, self.num_images // batches)} or less"
            )

    def batches(
        self, batch_size: int, *, seed: int = 0, start: int = 0, part: Part = WHOLE
    ) -> tf.data.Dataset:
        """Endless batches in an order that is the same in every process.

        Every epoch is a permutation of all images that depends on (seed, epoch) alone. Batches run
        across the border of two epochs, so that none is smaller.

        Args:
            batch_size: from 1 to `num_images`.
            seed: any integer.
            start: how many samples were consumed before, at least 0: `batches(B, start=k * B)`
                yields what `batches(B)` yields after k batches. The images in between are not
                decoded.
            part: which part of each batch to yield: those of several machines together are the
                batch. Where samples can be found by number, the others are not even read.

        Returns:
            Float32 images in [-1, 1] of static shape (batch_size, H, W, C), or points in their own
            coordinates, (batch_size, 1, 1, 2); where there are labels, a tuple of such images and
            their int32 labels, shape (batch_size,). Of pairs a tuple of inputs and targets, of
            unpaired images one of either kind. Of captions a tuple of images and the words of a
            caption each, int32, shape (batch_size, caption_length).

        Raises:
            UserError: the batch is larger than the dataset, or smaller than 1.
            ValueError: `start` is negative.
        """
        import tensorflow as tf

        self.check_batch_size(batch_size)
        if start < 0:
            raise ValueError(f"start must be at least 0, not {start}")

        def normalised(*parts: tf.Tensor) -> Any:
            made = tuple(
                tf.cast(part, tf.float32) / 127.5 - 1.0 if part.dtype == tf.uint8 else part
                for part in parts
            )
            return made if len(made) > 1 else made[0]

        options = tf.data.Options()
        options.deterministic = True
        # To rewrite the pipeline's graph is to copy the tensors in it: all images, once more.
        options.experimental_optimization.apply_default_optimizations = False
        return (
            self.source.batches(batch_size, seed=seed, start=start, part=part)
            .map(normalised, num_parallel_calls=cpu_count(), deterministic=True)
            .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
            .prefetch(2)
            .with_options(options)
        )

    def some(self, count: int, *, seed: int = 0) -> tuple[np.ndarray, ...]:
        """The parts of the first samples of `batches`, at most `count`: images come first."""
        batch = next(iter(self.batches(min(count, self.num_images), seed=seed)))
        parts = batch if isinstance(batch, tuple) else (batch,)
        return tuple(part.numpy() for part in parts)


def held_out_indices(count: int, hold_out: int, *, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Which samples are for training and which are held out, drawn evenly; both ascending.

    Raises:
        UserError: none would be left.
    """
    if not hold_out:
        return np.arange(count), np.arange(0)
    if hold_out >= count:
        raise UserError(
            f"dataset {name!r} has {count} samples: of these {hold_out} cannot be held out, "
            f"give --hold-out {count - 1} or less"
        )
    # RandomState: NumPy promises that its draws stay the same.
    order = np.random.RandomState(0).permutation(count)
    return np.sort(order[hold_out:]), np.sort(order[:hold_out])


def with_held_out(
    count: int,
    request: Request,
    part: Callable[[np.ndarray, ImageDataset | None], ImageDataset],
) -> ImageDataset:
    """A dataset of which some samples are held out.

    Args:
        count: how many samples there are.
        request: says how many to hold out.
        part: makes a dataset of the samples of these numbers, given what it holds out.

    Raises:
        UserError: too many are to be held out.
    """
    training, kept = held_out_indices(count, request.hold_out, name=request.name)
    return part(training, part(kept, None) if len(kept) else None)


class MemorySource:
    """All images in one tensor."""

    in_memory = True

    def __init__(self, images: np.ndarray, labels: np.ndarray | None) -> None:
        """
        Args:
            images: uint8 or float32, shape (N, H, W, C); must not change any more. Not copied if it
                was made by `empty_images`.
            labels: shape (N,), or None.
        """
        self.num_images = len(images)
        self._images = held(images)
        self._labels = None if labels is None else held(labels.astype(np.int32))

    def batches(
        self, batch_size: int, *, seed: int, start: int, part: Part = WHOLE
    ) -> tf.data.Dataset:
        import tensorflow as tf

        def gather(indices: tf.Tensor) -> Any:
            images = tf.gather(self._images, indices)
            if self._labels is None:
                return images
            return images, tf.gather(self._labels, indices)

        return shuffled_indices(self.num_images, batch_size, seed=seed, start=start, part=part).map(
            gather, num_parallel_calls=cpu_count(), deterministic=True
        )


_ALIGNMENT = 64


def empty_images(shape: tuple[int, int, int, int], dtype: type = np.uint8) -> np.ndarray:
    """An uninitialised array that TensorFlow can use as it lies."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffer = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -buffer.ctypes.data % _ALIGNMENT
    return buffer[begin : begin + size].view(dtype).reshape(shape)


def held(array: np.ndarray) -> tf.Tensor:
    """An array as a tensor for pipelines to capture; it must not change any more.

    Captured as a tensor, never as a constant of the pipeline's graph, which may not exceed 2 GB. On
    the CPU, since that is where pipelines run.
    """
    import tensorflow as tf

    with tf.device("/CPU:0"):
        if _is_aligned(array):  # shared: `tf.constant` takes three times the memory meanwhile
            return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        return tf.constant(array)


def _is_aligned(array: np.ndarray) -> bool:
    flags = array.flags
    return flags.c_contiguous and flags.writeable and array.ctypes.data % _ALIGNMENT == 0


def shuffled_indices(
    count: int, batch_size: int, *, seed: int, start: int = 0, part: Part = WHOLE
) -> tf.data.Dataset:
    """Endless batches of indices into `count` samples: each epoch another permutation.

    Sample number p is found from (seed, p // count, p % count) alone, so that any start is cheap.

    Returns:
        Int64, static shape (batch_size,), or of a part that of the part, each 0…count-1.
    """
    import tensorflow as tf

    chosen = part.of_batch(batch_size)
    size = chosen.stop - chosen.start

    def indices(first: tf.Tensor) -> tf.Tensor:
        positions = first + chosen.start + tf.range(size, dtype=tf.int64)
        key = _mixed(tf.cast(positions // count, tf.uint64) + _mixed(seed % 2**64))
        other = tf.cast(_mixed(key), tf.uint32)
        # More rounds than the default of 4: with those, neighbours stay neighbours a fifth more
        # often than chance would have it (measured with 100 samples, 2,000 epochs).
        return tf.raw_ops.RandomIndexShuffle(
            index=positions % count,
            seed=tf.concat([tf.bitcast(key, tf.uint32), other[:, None]], axis=1),
            max_index=tf.fill([size], tf.constant(count - 1, tf.int64)),
            rounds=8,
        )

    return tf.data.Dataset.counter(start, batch_size).map(indices)


def _mixed(bits: tf.Tensor | int) -> tf.Tensor:
    """The step of SplitMix64 (Steele et al. 2014): near numbers become far ones; uint64.

    Keys that differ in a few bits only, such as plain epochs, give permutations that favour some
    places over others: measured with 100 samples, a place's share was off by 60 % on average.
    """
    import tensorflow as tf

    def constant(value: int) -> tf.Tensor:
        return tf.constant(value, tf.uint64)

    bits = tf.convert_to_tensor(bits, tf.uint64) + constant(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, constant(shift)))
        bits *= constant(factor)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, constant(31)))


def choose_classes(
    wanted: Sequence[str] | None, known: Sequence[str], *, name: str
) -> tuple[tuple[str, ...], np.ndarray]:
    """Which classes are kept, and their new labels.

    Args:
        wanted: names or numbers, a name first where something is both; None for all.
        known: the names of all classes, () where there are no labels.
        name: the dataset's, for the errors.

    Returns:
        The names of the classes kept, in the order wanted, and an int32 array of shape
        (len(known),): the new label of each old one, or -1.

    Raises:
        UserError: an unknown class, one given twice, or classes of a dataset without labels.
    """
    if wanted is None:
        return tuple(known), np.arange(len(known), dtype=np.int32)
    if not known:
        raise UserError(f"dataset {name!r} has no labels: leave --classes out")
    if not wanted:
        raise UserError("no classes given: name at least one, or leave --classes out")
    labels = np.full(len(known), -1, np.int32)
    for new, item in enumerate(wanted):
        if item in known:
            old = list(known).index(item)
        elif item.isascii() and item.isdigit() and int(item) < len(known):
            old = int(item)
        else:
            raise unknown("class", item, known, hint=_some(known))
        if labels[old] >= 0:
            raise UserError(f"class {known[old]!r} is given twice: give each class once")
        labels[old] = new
    return tuple(known[old] for old in np.argsort(labels, kind="stable")[-len(wanted) :]), labels


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    more = f" … or a number up to {len(names) - 1}" if len(names) > 20 else ""
    return f"choose from {shown}{more}"


def cpu_count() -> int:
    """How many processors to use: those of this process, 16 at most.

    As many batches are under way at a time, and take memory.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(available or 1, 16)
