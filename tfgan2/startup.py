"""Loads TensorFlow without its messages."""

from __future__ import annotations

import contextlib
import os


def load() -> str:
    """Imports TensorFlow and returns its devices, for example "CPU" or "2 GPUs (NVIDIA H200)".

    Its messages are shown only if TFGAN2_DEBUG is set, as `--debug` does.
    """
    from tfgan2.runtime.quiet import quiet

    debug = bool(os.environ.get("TFGAN2_DEBUG"))
    if not debug:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with contextlib.nullcontext() if debug else quiet():
        import absl.logging
        import tensorflow as tf

        if not debug:
            absl.logging.set_verbosity(absl.logging.ERROR)
            tf.get_logger().setLevel("ERROR")
        gpus = tf.config.list_physical_devices("GPU")
        if not gpus:
            return "CPU"
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        return f"{len(gpus)} GPU{'s' if len(gpus) > 1 else ''} ({name})"
