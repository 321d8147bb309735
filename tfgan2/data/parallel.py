"""Python functions called in parallel: in threads, and inside tf.data pipelines."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

Progress = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and the total."""


def no_progress(text: str, done: int, total: int) -> None:
    """Shows nothing."""


T = TypeVar("T")
R = TypeVar("R")


def cpu_count() -> int:
    """Returns the number of processors to use: those of this process, 16 at most.

    The limit bounds memory: each has a batch in progress.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(available or 1, 16)


def in_threads(
    function: Callable[[T], R], items: Sequence[T], text: str, progress: Progress, chunk: int = 512
) -> Iterator[R]:
    """Yields `function(item)` for each item in order, computed in threads.

    Args:
        function: called from several threads.
        items: its arguments.
        text: what is being done, for `progress`.
        progress: called before each chunk and at the end.
        chunk: number of items in progress at a time; bounds the memory of their results.
    """
    with ThreadPoolExecutor(cpu_count()) as pool:
        for begin in range(0, len(items), chunk):
            progress(text, begin, len(items))
            yield from pool.map(function, items[begin : begin + chunk])
    progress(text, len(items), len(items))


def images_from_python(
    function: Callable[[Any], np.ndarray], values: tf.Tensor, shape: tuple[int, int, int]
) -> tf.Tensor:
    """Makes a batch of images with a Python function, inside a function mapped by tf.data.

    A whole batch per call, because a call costs more than decoding one small image.

    Args:
        function: pure; makes one image from one value; called from several threads.
        values: bytes or numbers, shape (N,).
        shape: (height, width, channels) of each image.

    Returns:
        uint8, static shape (N, *shape).
    """
    import tensorflow as tf

    guard = _exit_guard()

    @tf.autograph.experimental.do_not_convert
    def guarded(batch: np.ndarray) -> np.ndarray:
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
        self._in_progress = 0
        self._calls = 0

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
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            before = self._calls
            time.sleep(0.1)
            if not self._in_progress and self._calls == before:
                return


@cache
def _exit_guard() -> _ExitGuard:
    guard = _ExitGuard()
    atexit.register(guard.close)
    return guard
