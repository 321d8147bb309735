"""`stats.jsonl`, the loss curves and the TensorBoard events of a run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tfgan2.files import written_atomically

# What a resumed run cannot repeat to the last digit.
TIMES = ("seconds", "images_per_second", "input_share")
_NOT_CURVES = ("step", "images", *TIMES)


class Averages:
    """Means of the step's metrics over a log interval; its state goes into the checkpoint.

    Each metric has a count of its own: where a phase ends within the interval, some were not there
    in all steps. The sums are of Python floats in the order of the steps, so a resumed run gets the
    same means.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self.counts: dict[str, int] = dict(state.get("counts", {}))
        self.sums: dict[str, float] = dict(state.get("sums", {}))

    def add(self, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.counts[name] = self.counts.get(name, 0) + 1
            self.sums[name] = self.sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """The means since the last time, rounded to 6 significant digits."""
        means = {
            name: float(f"{total / self.counts[name]:.6g}") for name, total in self.sums.items()
        }
        self.counts, self.sums = {}, {}
        return means

    def state(self) -> dict[str, Any]:
        return {"counts": self.counts, "sums": self.sums}


def read(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's `stats.jsonl`; a last line that was cut off is left out."""
    path = run / "stats.jsonl"
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


class Writer(Protocol):
    """Takes what a run tells while it trains."""

    def line(self, line: Mapping[str, Any]) -> None:
        """Takes a line of statistics."""

    def picture(self, step: int, path: Path) -> None:
        """Takes a PNG file."""

    def sync(self) -> None:
        """Puts everything on the disk."""


class StatsWriter:
    """Appends to `stats.jsonl` and to TensorBoard events.

    Opening it cuts off what came after the checkpoint that the run goes on from: those steps are
    made again.
    """

    def __init__(self, run: Path, step: int) -> None:
        """Opens the files.

        Args:
            run: the run directory.
            step: of the checkpoint that the run goes on from, or 0.
        """
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        kept = [line for line in read(run) if line["step"] <= step]
        with written_atomically(run / "stats.jsonl") as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._file = (run / "stats.jsonl").open("a", encoding="utf-8")
        began_before = any(run.glob("events.*"))
        self._events = EventFileWriter(str(run))
        if began_before:
            # Tells TensorBoard to forget what an interrupted process wrote beyond this step.
            start = SessionLog(status=SessionLog.SessionStatus.START)
            self._events.add_event(Event(wall_time=time.time(), step=step + 1, session_log=start))

    def line(self, line: Mapping[str, Any]) -> None:
        """Appends a line; it is on its way to the disk when this returns."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        values = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in line.items()
            if name not in ("step", "images", "seconds")
        ]
        summary = Summary(value=values)
        self._events.add_event(Event(wall_time=time.time(), step=line["step"], summary=summary))

    def picture(self, step: int, path: Path) -> None:
        """Shows a PNG file in TensorBoard."""
        from PIL import Image
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        with Image.open(path) as image:
            width, height = image.size
        encoded = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=path.read_bytes()
        )
        summary = Summary(value=[Summary.Value(tag="samples", image=encoded)])
        self._events.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def sync(self) -> None:
        """Puts everything on the disk, so that no checkpoint is newer than the lines before it."""
        os.fsync(self._file.fileno())
        self._events.flush()

    def close(self) -> None:
        self._file.close()
        self._events.close()


class NoWriter:
    """In place of a `StatsWriter` where another process writes."""

    def line(self, line: Mapping[str, Any]) -> None:
        return

    def picture(self, step: int, path: Path) -> None:
        return

    def sync(self) -> None:
        return


def draw_losses(run: Path) -> None:
    """Draws every curve in `stats.jsonl` over the steps to `losses.png`.

    Losses come first, then other metrics of the steps, then figures of evaluations: shares in one
    plot, each other one in its own, since their sizes have nothing in common.
    """
    from matplotlib.figure import Figure

    lines = read(run)
    if not lines:
        return
    # Of all lines: a phase that has ended has curves, too.
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
    with written_atomically(run / "losses.png") as partial:
        figure.savefig(partial, format="png", dpi=100)
