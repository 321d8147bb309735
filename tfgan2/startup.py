"""Loads TensorFlow without its messages."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

XLA_FOLDER = "tf_xla_persistent_cache_directory"


def load(compiled: Path | None = None, say: Callable[[str], None] | None = None) -> str:
    """Imports TensorFlow and returns its devices, for example "CPU" or "2 GPUs (NVIDIA H200)".

    Its messages are shown only if TFGAN2_DEBUG is set, as `--debug` does. XLA reads and writes
    compiled functions in the folder `compiled`. `say` tells that this takes a while, the first
    time.
    """
    from tfgan2.runtime.quiet import quiet

    if say is not None and "tensorflow" not in sys.modules:
        say("loading TensorFlow")

    debug = bool(os.environ.get("TFGAN2_DEBUG"))
    if not debug:
        # With 2, each compiled function that XLA finds is reported as an error.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if platform.machine() in ("x86_64", "AMD64"):
        # Without AVX-512, TensorFlow leaves it out; `r3gan` is 1.4 times as fast with it.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with (
        contextlib.nullcontext() if debug else quiet(),
        _no_garbage_collection(),
        _reading(compiled),
    ):
        import absl.logging
        import tensorflow as tf

        if not debug:
            absl.logging.set_verbosity(absl.logging.ERROR)
            tf.get_logger().setLevel("ERROR")
        gpus = tf.config.list_physical_devices("GPU")  # reads the flags, too
        if not gpus:
            return "CPU"
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        return f"{len(gpus)} GPU{'s' if len(gpus) > 1 else ''} ({name})"


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Importing TensorFlow takes a fifth longer with it."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextlib.contextmanager
def _reading(compiled: Path | None) -> Iterator[None]:
    """Makes XLA use the folder; processes that this one starts do not inherit that."""
    before = os.environ.get("TF_XLA_FLAGS")
    if compiled is None:
        yield
        return
    quoted = str(compiled).replace("\\", "\\\\").replace('"', '\\"')
    os.environ["TF_XLA_FLAGS"] = f'{before or ""} --{XLA_FOLDER}="{quoted}"'
    try:
        yield
    finally:
        if before is None:
            del os.environ["TF_XLA_FLAGS"]
        else:
            os.environ["TF_XLA_FLAGS"] = before
