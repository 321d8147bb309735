"""What an app sees when it first uses a file: its cold start and its memory.

`python -m tfgan2.runtime.first_use FILE THREADS` measures in its own, new process.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.runtime.backends import LIBRARIES, Inputs

_MODULES = {"onnxruntime": "onnxruntime", "LiteRT": "ai_edge_litert.interpreter"}


class FirstUse(NamedTuple):
    """Figures of a new process.

    Attributes:
        cold_start_ms: from opening the file to its first image; its library is loaded already.
        peak_mb: memory that this adds at most; None where the system does not tell.

    Both are None for a model that was not measured.
    """

    cold_start_ms: float | None
    peak_mb: float | None


def measure_first_use(file: Path, threads: int, inputs: Inputs) -> FirstUse:
    """Opens a file and runs it once in a new process; a UserError if that fails."""
    arrays = {
        name: {"dtype": str(array.dtype), "shape": array.shape, "values": array.ravel().tolist()}
        for name, array in inputs.items()
    }
    ran = subprocess.run(
        [sys.executable, "-m", __name__, str(file), str(threads)],
        input=json.dumps(arrays),
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        reason = (ran.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{file} cannot be run in a process of its own: {reason}")
    return FirstUse(**json.loads(ran.stdout.strip().splitlines()[-1]))


def _peak() -> float | None:
    """The largest memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` of Linux begins with the peak of the parent process
        line = next(x for x in status.read_text("utf-8").splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def _main(file: Path, threads: int, arrays: dict[str, Any]) -> FirstUse:
    inputs = {
        name: np.array(item["values"], item["dtype"]).reshape(item["shape"])
        for name, item in arrays.items()
    }
    importlib.import_module(_MODULES[LIBRARIES[file.suffix.lower()]])
    before, start = _peak(), time.perf_counter()
    runtime.open_file(file, threads=threads).backend(inputs)
    milliseconds = 1000 * (time.perf_counter() - start)
    after = _peak()
    return FirstUse(milliseconds, None if before is None or after is None else after - before)


if __name__ == "__main__":
    result = _main(Path(sys.argv[1]), int(sys.argv[2]), json.load(sys.stdin))
    print(json.dumps(result._asdict()))
