"""Profiles some seconds of `tfgan2 fit`; `gpu.py --profile` starts it.

python benchmarks/profile_fit.py RUN fit dcgan --dataset digits --out RUN --steps 100000

Runs the command in this process, and TensorFlow's profiler beside it once the run has written
statistics. Prints the share of time in which the GPU computes, and the copies between host and
device per step. RUN/profile holds the trace, which TensorBoard's profile plugin shows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SECONDS = 2.0
WARM_UP_LINES = 3
# How a GPU's trace names copies between host and device.
COPIES = {"MemcpyH2D": "host to device", "MemcpyD2H": "device to host"}


def busy_picoseconds(intervals: Iterable[tuple[int, int]]) -> int:
    """Returns the length of the union of intervals (start, end): streams overlap."""
    total, reached = 0, 0
    for start, end in sorted(intervals):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def summary(space: Any, seconds: float, steps: float) -> list[str]:
    """Returns lines about a trace (an XSpace) of `seconds`, in which `steps` were trained."""
    intervals: list[tuple[int, int]] = []
    counts, sizes = dict.fromkeys(COPIES, 0), dict.fromkeys(COPIES, 0)
    devices = [plane for plane in space.planes if plane.name.startswith("/device:GPU")]
    for plane in devices:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        stats = {key: value.name for key, value in plane.stat_metadata.items()}
        for line in plane.lines:
            if not line.name.startswith("Stream"):
                continue  # the other lines tell the same by operations and modules
            for event in line.events:
                start = line.timestamp_ns * 1000 + event.offset_ps
                intervals.append((start, start + event.duration_ps))
                name = names.get(event.metadata_id, "")
                kind = next((kind for kind in COPIES if name.startswith(kind)), None)
                if kind:
                    counts[kind] += 1
                    sizes[kind] += copied_bytes(event, stats)
    share = busy_picoseconds(intervals) / (seconds * 1e12 * max(len(devices), 1))
    lines = [
        f"traced: {seconds:.2f} s, about {steps:.0f} steps",
        f"GPU busy: {share:.1%} of the time" + ("" if devices else " (the trace has no GPU)"),
    ]
    for kind, words in COPIES.items():
        per_step = counts[kind] / max(steps, 1), sizes[kind] / max(steps, 1)
        lines.append(f"copies {words}: {per_step[0]:.2f} and {per_step[1]:,.0f} bytes per step")
    return lines


def copied_bytes(event: Any, names: dict[int, str]) -> int:
    for stat in event.stats:
        if names.get(stat.metadata_id) == "memcpy_details":
            # A text, or a reference to one.
            text = stat.str_value or names.get(stat.ref_value, "")
            found = re.search(r"\bsize:(\d+)", text)
            return int(found[1]) if found else 0
    return 0


def last_step(run: Path) -> tuple[int, float]:
    """Returns the last step in the statistics, and its time in seconds of training."""
    lines = (run / "stats.jsonl").read_text().rpartition("\n")[0].splitlines()
    line = json.loads(lines[-1])
    return line["step"], line["seconds"]


def trace(run: Path) -> None:
    """Profiles once the run has warmed up, prints a summary, and ends the process."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    path = run / "stats.jsonl"
    while not path.exists() or path.read_bytes().count(b"\n") < WARM_UP_LINES:
        time.sleep(0.1)
    code = 0
    try:
        tf.profiler.experimental.start(str(run / "profile"))
        started, (first, began) = time.perf_counter(), last_step(run)
        time.sleep(SECONDS)
        seconds, (last, ended) = time.perf_counter() - started, last_step(run)
        tf.profiler.experimental.stop()
        speed = (last - first) / (ended - began) if ended > began else 0.0
        for file in (run / "profile").rglob("*.xplane.pb"):
            found = summary(XSpace.FromString(file.read_bytes()), seconds, speed * seconds)
            print("\n".join([*found, f"trace: {file}"]), flush=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        code = 1
    os._exit(code)  # `fit` goes on in the other thread


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the run that the command trains")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="words of `tfgan2 fit …`")
    given = parser.parse_args()
    threading.Thread(target=trace, args=(given.run,), daemon=True).start()
    sys.argv = ["tfgan2", *given.command]
    from tfgan2.cli import main as command

    command()
    sys.exit("the run ended before it was profiled")


if __name__ == "__main__":
    main()
