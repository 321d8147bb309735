"""The precision of layers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def precision(policy: Any) -> Iterator[None]:
    """Layers made in the block compute with this Keras policy, for example mixed_float16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
