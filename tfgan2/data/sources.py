"""Sources whose samples are found by number: in memory, or decoded when they are needed."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.data.dataset import Order, Source, cpu_count
from tfgan2.errors import UserError

_ALIGNMENT = 64


def table_source(
    num_images: int,
    tables: Sequence[tf.Tensor],
    look_up: Callable[[Sequence[tf.Tensor], tf.Tensor], tf.Tensor],
    labels: np.ndarray | None = None,
) -> Source:
    """Samples that `look_up` makes of `tables` and numbers, int64, shape (N,).

    Every epoch is another permutation.
    """
    drawn = partial(shuffled_indices, num_images, labels=labels)
    if labels is None:
        return Source(num_images, True, drawn, look_up, tuple(tables))

    def with_labels(tables: Sequence[tf.Tensor], numbers: tf.Tensor) -> Any:
        *rest, classes = tables
        return look_up(rest, numbers), tf.gather(classes, numbers)

    classes = as_tensor(labels.astype(np.int32))
    return Source(num_images, True, drawn, with_labels, (*tables, classes))


def memory_source(images: np.ndarray, labels: np.ndarray | None = None) -> Source:
    """Images in one tensor, uint8 or float32, shape (N, H, W, C), which must not change any more.

    They are not copied if `empty_images` made the array.
    """

    def look_up(tables: Sequence[tf.Tensor], numbers: tf.Tensor) -> tf.Tensor:
        return tf.gather(tables[0], numbers)

    return table_source(len(images), [as_tensor(images)], look_up, labels)


def decoded_source(
    num_images: int,
    decode: Callable[[int], np.ndarray],
    shape: tuple[int, int, int],
    labels: np.ndarray | None,
) -> Source:
    """Images that `decode` makes of their numbers when they are needed, in several threads."""

    classes = None if labels is None else as_tensor(labels.astype(np.int32))

    def sample(numbers: tf.Tensor) -> Any:
        images = images_from_python(lambda number: decode(int(number)), numbers, shape)
        return images if classes is None else (images, tf.gather(classes, numbers))

    def drawn(order: Order) -> tf.data.Dataset:
        numbers = shuffled_indices(num_images, order, labels=labels)
        return numbers.map(sample, num_parallel_calls=cpu_count(), deterministic=True)

    return Source(num_images, False, drawn)


def images_from_python(
    function: Callable[[Any], np.ndarray], values: tf.Tensor, shape: tuple[int, int, int]
) -> tf.Tensor:
    """Makes a batch of images with a Python function, inside a function mapped by tf.data.

    The pure function makes one image of this shape from one of the values, bytes or numbers, and
    is called from several threads. The batch is uint8 of static shape (N, *shape).
    """
    guard = _exit_guard()

    @tf.autograph.experimental.do_not_convert
    def guarded(batch: np.ndarray) -> np.ndarray:
        # A whole batch per call, because a call costs more than decoding one small image.
        images = np.zeros((len(batch), *shape), np.uint8)
        for index, value in enumerate(batch):
            with guard as is_open:
                if not is_open:
                    break
                images[index] = function(value)
        return images

    # Stateless, or TensorFlow's op determinism would make one batch at a time.
    images = tf.numpy_function(guarded, [values], tf.uint8, stateful=False)
    images.set_shape((values.shape[0], *shape))
    return images


class _ExitGuard:
    """Counts the calls in progress, and makes calls return at once when the process ends.

    TensorFlow waits for ever for a thread of an endless pipeline that asks for Python's lock while
    the interpreter is torn down: measured, more than half of the processes with an open iterator
    did not end. So before the teardown further calls return at once, which fills the pipeline's
    bounded buffers and halts it, and calls in progress are waited for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = True
        self._in_progress = self._calls = 0
        atexit.register(self.close)

    def __enter__(self) -> bool:
        """Returns whether the call may do its work."""
        with self._lock:
            self._calls += 1
            self._in_progress += 1
            return self._open

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._in_progress -= 1

    def close(self) -> None:
        """Returns when no call is in progress and none has come for 0.1 s, or after 10 s."""
        self._open = False
        for _ in range(100):
            before = self._calls
            time.sleep(0.1)
            if not self._in_progress and self._calls == before:
                return


_exit_guard = cache(_ExitGuard)


def empty_images(shape: tuple[int, int, int, int]) -> np.ndarray:
    """Returns an uninitialised uint8 array that TensorFlow can use without a copy."""
    size = int(np.prod(shape))
    try:
        buffer = np.empty(size + _ALIGNMENT, np.uint8)
    except MemoryError as error:
        raise UserError(
            f"images in memory need {size / 1e9:,.1f} GB", ": give --cache stream"
        ) from error
    begin = -buffer.ctypes.data % _ALIGNMENT
    return buffer[begin : begin + size].reshape(shape)


def as_tensor(array: np.ndarray) -> tf.Tensor:
    """Returns an array, which must not change any more, as a tensor for pipelines to capture.

    It is never a constant of the graph, which may not exceed 2 GB, and lies on the CPU.
    """
    flags = array.flags
    aligned = flags.c_contiguous and flags.writeable and array.ctypes.data % _ALIGNMENT == 0
    with tf.device("/CPU:0"):
        if aligned:  # shared: `tf.constant` would need three times the memory for a moment
            return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        return tf.constant(array)


def shuffled_indices(
    count: int, order: Order, *, labels: np.ndarray | None = None
) -> tf.data.Dataset:
    """Yields endless batches of indices, int64; each epoch is another permutation of `count`.

    The index of sample number p depends on (seed, p // count, p % count) alone, so any start is
    cheap. In a balanced order, it depends in the same way on (seed, p // K, p % K) of K classes:
    each K samples have all classes of `labels`, shape (count,), and those of one class are its
    epochs.
    """
    rows = order.rows
    size = rows.stop - rows.start
    if order.balance:
        assert labels is not None  # `load_dataset` has checked it
        sizes = np.unique(labels, return_counts=True)[1]
        members = as_tensor(np.argsort(labels, kind="stable"))
        sizes, first_members = tf.constant(sizes), tf.constant(np.cumsum(sizes) - sizes)

    def indices(first: tf.Tensor) -> tf.Tensor:
        positions = first + rows.start + tf.range(size, dtype=tf.int64)
        seed = tf.constant(order.seed % 2**64, tf.uint64)
        if not order.balance:
            return _permuted(positions, tf.fill([size], tf.constant(count, tf.int64)), seed)
        classes = tf.fill([size], tf.size(sizes, tf.int64))
        chosen = _permuted(positions, classes, seed)
        # Every class has one sample in each K, and permutations of its own.
        seeds = seed + tf.cast(chosen + 1, tf.uint64)
        within = _permuted(positions // classes, tf.gather(sizes, chosen), seeds)
        return tf.gather(members, tf.gather(first_members, chosen) + within)

    return tf.data.Dataset.counter(order.start, order.batch_size).map(indices)


def _permuted(positions: tf.Tensor, counts: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """The numbers, below `counts`, at positions of endless epochs; int64, shape (N,) as both."""
    key = _mixed(tf.cast(positions // counts, tf.uint64) + _mixed(seeds))
    other = tf.cast(_mixed(key), tf.uint32)
    # With the default of 4 rounds, neighbours stay neighbours a fifth more often than chance
    # would have it (measured with 100 samples, 2,000 epochs).
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % counts,
        seed=tf.concat([tf.bitcast(key, tf.uint32), other[:, None]], axis=1),
        max_index=counts - 1,
        rounds=8,
    )


def _mixed(bits: tf.Tensor | int) -> tf.Tensor:
    """The step of SplitMix64 (Steele et al. 2014), uint64: spreads close numbers far apart.

    Keys that differ in a few bits only, such as plain epochs, give permutations that favour some
    positions: measured with 100 samples, the share of a position was off by 60 % on average.
    """
    bits = tf.convert_to_tensor(bits, tf.uint64) + tf.constant(0x9E3779B97F4A7C15, tf.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        shifted = tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint64))
        bits = tf.bitwise.bitwise_xor(bits, shifted) * tf.constant(factor, tf.uint64)
    return bits
