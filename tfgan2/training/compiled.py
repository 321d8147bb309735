"""Compiled training steps that are kept from one run to the next.

TensorFlow can keep what XLA compiles. But a damaged file or a full disk ends its run, its key lacks
the version, the flags and the processor, and it removes nothing. So XLA reads and writes in a
folder of its own process: `CompiledSteps` puts checked copies there before a step is compiled, and
takes new files from there afterwards.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgan2 import runs
from tfgan2.cache import COMPILED_STEPS, cache_dir, contents, size
from tfgan2.errors import UserError
from tfgan2.files import is_abandoned, remove, written_atomically
from tfgan2.startup import XLA_FOLDER

_GPU_DRIVER = Path("/proc/driver/nvidia/version")
_ROOM = 2**28
"""Free bytes that the folder of a process needs: XLA ends a run if it cannot write."""


def limit() -> int:
    """Returns how many bytes are kept in all: a gigabyte, or $TFGAN2_COMPILED_MB megabytes.

    Raises a UserError if that is not a number.
    """
    text = os.environ.get("TFGAN2_COMPILED_MB") or "1000"
    if not text.isdecimal():
        raise UserError(f"TFGAN2_COMPILED_MB is {text!r}: give megabytes, 0 to keep nothing")
    return int(text) * 10**6


@functools.cache
def folder_of_process() -> Path | None:
    """Makes the folder in which XLA reads and writes; the end of the process removes it.

    Call it before TensorFlow is imported. Returns None if nothing is kept: TensorFlow is in use
    already, the user names a folder to XLA or sets the limit to 0, the disk is full, or there is a
    GPU, where this is not tried yet, and the user sets no limit.
    """
    if (
        "tensorflow" in sys.modules
        or (_GPU_DRIVER.exists() and not os.environ.get("TFGAN2_COMPILED_MB"))
        or XLA_FOLDER in os.environ.get("TF_XLA_FLAGS", "")
        or not limit()
    ):
        return None
    try:
        if shutil.disk_usage(tempfile.gettempdir()).free < _ROOM:
            return None
        folder = tempfile.mkdtemp(prefix="tfgan2-xla-")
    except OSError:
        return None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class CompiledSteps:
    """The compiled steps of one configuration on one machine; a folder of the cache.

    The name of a file ends in a hash of its bytes.
    """

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        """Reads nothing yet.

        Whatever may change the step belongs to the configuration. What it lacks costs time only:
        XLA compares the whole computation.
        """
        text = json.dumps({**_environment(), **configuration}, sort_keys=True, default=str)
        self._folder = cache_dir() / "xla" / _hash(text.encode())
        self._loading = self._folder / f"loading.partial-{os.getpid()}"

    def fetch(self) -> bool:
        """Puts the steps where XLA finds them; returns whether there are any undamaged ones."""
        found, target = False, folder_of_process()
        if target is None:
            return False
        with contextlib.suppress(OSError):
            # They may be the reason why a process ended while it loaded them.
            if any(map(is_abandoned, self._folder.glob("*.partial-*"))):
                remove(self._folder)
            for path in self._folder.glob("xla_*.pb.*"):
                data = path.read_bytes()
                if path.suffix == f".{_hash(data)}":
                    (target / path.stem).write_bytes(data)
                    found = True
                else:
                    path.unlink(missing_ok=True)
            if found:
                self._loading.touch()
                os.utime(self._folder)
        return found

    def keep(self) -> None:
        """Keeps what XLA has compiled since `fetch`; removes what was not used for longest."""
        source = folder_of_process()
        with contextlib.suppress(OSError, UserError):  # such as a full disk: the run goes on
            self._loading.unlink(missing_ok=True)
            for path in source.glob("xla_*.pb") if source else ():
                data = path.read_bytes()
                kept = self._folder / f"{path.name}.{_hash(data)}"
                if not kept.exists():
                    with written_atomically(kept, parents=True) as partial:
                        partial.write_bytes(data)
                path.unlink()
            _shrink(limit())

    def give_up(self) -> None:
        """Removes the steps if `fetch` found some and no `keep` followed: they may be unusable."""
        with contextlib.suppress(OSError):
            if self._loading.exists():
                remove(self._folder)


def _shrink(most: int) -> None:
    folders = contents(COMPILED_STEPS)
    total = sum(map(size, folders))
    for folder in folders:
        if total <= most:
            return
        total -= size(folder)
        remove(folder)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


def _environment() -> dict[str, Any]:
    """Returns versions, flags and devices, which XLA's own key lacks."""
    import tensorflow as tf
    from tensorflow.python.framework.config import is_op_determinism_enabled

    variables = ("XLA_FLAGS", "TF_XLA_FLAGS", "TF_NUM_INTRAOP_THREADS")
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "versions": (runs.versions(), tf.version.GIT_VERSION, dict(tf.sysconfig.get_build_info())),
        "settings": (
            *map(os.environ.get, variables),
            is_op_determinism_enabled(),
            tf.config.experimental.tensor_float_32_execution_enabled(),
        ),
        "processor": (platform.machine(), platform.processor(), os.cpu_count(), _processor()),
        "gpus": [tf.config.experimental.get_device_details(gpu) for gpu in gpus],
    }


def _processor() -> list[str]:
    """Returns what Linux says about processor and graphics driver; empty elsewhere."""
    lines: list[str] = []
    for path in (Path("/proc/cpuinfo"), _GPU_DRIVER):
        with contextlib.suppress(OSError):
            lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
    named = ("model name", "flags", "Features", "CPU part", "NVRM")
    return sorted({line for line in lines if line.startswith(named)})
