"""Python functions inside of tf.data pipelines, in a way that lets the process end."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


def images_from_python(
    function: Callable[[Any], np.ndarray], contents: tf.Tensor, shape: tuple[int, int, int]
) -> tf.Tensor:
    """Has Python make images, inside of a function that tf.data maps over batches.

    Whole batches, since one call costs more than decoding one small image.

    Args:
        function: pure, of one of the contents; is called from several threads.
        contents: bytes or numbers, shape (N,).
        shape: of each image.

    Returns:
        uint8, static shape (N, *shape).
    """
    import tensorflow as tf

    gate = _gate()

    @tf.autograph.experimental.do_not_convert
    def guarded(values: np.ndarray) -> np.ndarray:
        images = np.zeros((len(values), *shape), np.uint8)
        for index, value in enumerate(values):
            with gate as is_open:
                if not is_open:
                    break
                images[index] = function(value)
        return images

    # Stateless, or TensorFlow's op determinism would make one batch at a time.
    images = tf.numpy_function(guarded, [contents], tf.uint8, stateful=False)
    images.set_shape((contents.shape[0], *shape))
    return images


class _Gate:
    """Counts the calls that are under way, and at the end of the process answers with nothing.

    An endless pipeline reads ahead. A thread of it that asks for Python's lock while the
    interpreter is being torn down never gets it, and TensorFlow waits for that thread for ever:
    measured, more than half of the processes that still held an iterator did not end. So, before
    the teardown begins, further calls return at once, which fills the pipeline's bounded buffers
    and so halts it, and those under way are waited for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = True
        self._inside = 0
        self._calls = 0

    def __enter__(self) -> bool:
        """Whether work is still wanted."""
        with self._lock:
            self._calls += 1
            self._inside += 1
            return self._open

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        """Returns when no call is under way and none has come for a moment."""
        self._open = False
        patience = time.monotonic() + 10
        while time.monotonic() < patience:
            before = self._calls
            time.sleep(0.1)
            if not self._inside and self._calls == before:
                return


@cache
def _gate() -> _Gate:
    gate = _Gate()
    atexit.register(gate.close)
    return gate
