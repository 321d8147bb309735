"""Statistics of a run: `stats.jsonl`, the loss curves and the TensorBoard events."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgan2.files import written_atomically

TIMES = ("seconds", "images_per_second", "input_share")
"""The values that differ between two runs of one configuration."""
_NOT_CURVES = ("step", "images", *TIMES)


class Averages:
    """Means of the metrics over a log interval.

    Each metric is counted by itself, since a phase may begin or end within the interval. The sums
    are Python floats added in the order of the steps, so a resumed run gets the same means.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        """Starts empty, or with the `state` of another."""
        state = state or {}
        self.counts: dict[str, int] = dict(state.get("counts", {}))
        self.sums: dict[str, float] = dict(state.get("sums", {}))

    def add(self, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.counts[name] = self.counts.get(name, 0) + 1
            self.sums[name] = self.sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """Returns the means, rounded to 6 significant digits, and starts again."""
        means = {
            name: float(f"{total / self.counts[name]:.6g}") for name, total in self.sums.items()
        }
        self.counts, self.sums = {}, {}
        return means

    def state(self) -> dict[str, Any]:
        return {"counts": self.counts, "sums": self.sums}


def read(run_dir: Path) -> list[dict[str, Any]]:
    """Reads the lines of `stats.jsonl`, without a last line that was cut off."""
    path = run_dir / "stats.jsonl"
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


class StatsWriter:
    """Appends to `stats.jsonl` and to TensorBoard events.

    Opening it removes the lines after the checkpoint that the run resumes from: those steps are
    trained again.
    """

    def __init__(self, run_dir: Path, step: int) -> None:
        """Opens the files.

        Args:
            run_dir: the run directory.
            step: step of the checkpoint that the run resumes from, or 0.
        """
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        run_dir.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read(run_dir) if line["step"] <= step]
        with written_atomically(run_dir / "stats.jsonl") as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._file = (run_dir / "stats.jsonl").open("a", encoding="utf-8")
        resumed = any(run_dir.glob("events.*"))
        self._events = EventFileWriter(str(run_dir))
        if resumed:
            # Makes TensorBoard forget what an interrupted process wrote beyond this step.
            start = SessionLog(status=SessionLog.SessionStatus.START)
            self._add_event(step + 1, session_log=start)

    def _add_event(self, step: int, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._events.add_event(Event(wall_time=time.time(), step=step, **content))

    def line(self, line: Mapping[str, Any]) -> None:
        """Appends a line and hands it to the operating system."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        values = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in line.items()
            if name not in ("step", "images", "seconds")
        ]
        self._add_event(line["step"], summary=Summary(value=values))

    def image(self, step: int, path: Path) -> None:
        """Shows a PNG file in TensorBoard."""
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        with Image.open(path) as image:
            width, height = image.size
        encoded = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=path.read_bytes()
        )
        values = [Summary.Value(tag="samples", image=encoded)]
        self._add_event(step, summary=Summary(value=values))

    def sync(self) -> None:
        """Forces everything to disk, so that no checkpoint is newer than the lines before it."""
        os.fsync(self._file.fileno())
        self._events.flush()

    def close(self) -> None:
        self._file.close()
        self._events.close()


def draw_losses(run_dir: Path) -> None:
    """Draws all curves of `stats.jsonl` to `losses.png`.

    Losses come first, then the other metrics, then the figures of evaluations: those up to 1 share
    one plot, each larger one has its own, since their scales differ.
    """
    from matplotlib.figure import Figure

    lines = read(run_dir)
    if not lines:
        return
    # From all lines, so that the curves of a phase that has ended stay.
    names = dict.fromkeys(name for line in lines for name in line if name not in _NOT_CURVES)
    figures = {
        name: max(abs(line[name]) for line in lines if name in line)
        for name in names
        if "/" in name
    }
    groups = [
        [name for name in names if name.endswith("loss")],
        [name for name in names if not name.endswith("loss") and name not in figures],
        [name for name, largest in figures.items() if largest <= 1],
        *([name] for name, largest in figures.items() if largest > 1),
    ]
    groups = [group for group in groups if group]
    figure = Figure(figsize=(8, 3 * len(groups)), layout="constrained")
    for axes, group in zip(
        figure.subplots(len(groups), sharex=True, squeeze=False)[:, 0], groups, strict=True
    ):
        for name in group:
            points = [(line["step"], line[name]) for line in lines if name in line]
            points = points[:: max(1, len(points) // 2000)]
            marker = "." if len(points) < 30 else None
            axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker=marker)
        axes.legend()
        axes.grid(alpha=0.3)
    axes.set_xlabel("step")
    with written_atomically(run_dir / "losses.png") as partial:
        figure.savefig(partial, format="png", dpi=100)
