"""Statistics of a run: `stats.jsonl`, the loss curves and the TensorBoard events."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
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
        self.counts: Counter[str] = Counter(state.get("counts"))
        self.sums: Counter[str] = Counter(state.get("sums"))

    def add(self, metrics: Mapping[str, float]) -> None:
        self.counts.update(metrics.keys())
        self.sums.update(metrics)  # adds the values

    def take(self) -> dict[str, float]:
        """Returns the means, rounded to 6 significant digits, and starts again."""
        means = {
            name: float(f"{total / self.counts[name]:.6g}") for name, total in self.sums.items()
        }
        self.counts, self.sums = Counter(), Counter()
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
        """Opens the files; `step` is that of the checkpoint that the run resumes from, or 0."""
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        run_dir.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read(run_dir) if line["step"] <= step]
        path = run_dir / "stats.jsonl"
        with written_atomically(path) as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")
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
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        hidden = ("step", "images", "seconds")
        values = [{"tag": k, "simple_value": v} for k, v in line.items() if k not in hidden]
        self._add_event(line["step"], summary={"value": values})

    def image(self, step: int, path: Path) -> None:
        """Shows a PNG file in TensorBoard."""
        from PIL import Image

        with Image.open(path) as image:
            size = {"width": image.width, "height": image.height, "colorspace": 3}
        content = {**size, "encoded_image_string": path.read_bytes()}
        self._add_event(step, summary={"value": [{"tag": "samples", "image": content}]})

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

    # From all lines, so that the curves of a phase that has ended stay.
    curves: dict[str, list[tuple[int, float]]] = {}
    for line in read(run_dir):
        for name in line:
            if name not in _NOT_CURVES:
                curves.setdefault(name, []).append((line["step"], line[name]))
    if not curves:
        return
    plots: dict[tuple[int, str], list[str]] = {}
    for name in curves:
        plots.setdefault(_plot_of(name, curves[name]), []).append(name)
    figure = Figure(figsize=(8, 3 * len(plots)), layout="constrained")
    all_axes = figure.subplots(len(plots), sharex=True, squeeze=False)[:, 0]
    for axes, plot in zip(all_axes, sorted(plots, key=lambda plot: plot[0]), strict=True):
        for name in plots[plot]:
            points = curves[name][:: max(1, len(curves[name]) // 2000)]
            marker = "." if len(points) < 30 else None
            axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker=marker)
        axes.legend()
        axes.grid(alpha=0.3)
    axes.set_xlabel("step")
    with written_atomically(run_dir / "losses.png") as partial:
        figure.savefig(partial, format="png", dpi=100)


def _plot_of(name: str, points: Sequence[tuple[int, float]]) -> tuple[int, str]:
    """The place of a curve's plot, and a name if the plot is its own."""
    if "/" not in name:
        return (0, "") if name.endswith("loss") else (1, "")
    return (2, "") if max(abs(value) for _, value in points) <= 1 else (3, name)
