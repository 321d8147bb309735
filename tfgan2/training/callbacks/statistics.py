"""Writes the statistics of a run: `stats.jsonl` and TensorBoard events."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter

from tfgan2.files import written_atomically
from tfgan2.images.files import read_header
from tfgan2.training import stats
from tfgan2.training.background import Background
from tfgan2.training.callbacks.base import Logs, StepCallback


class Statistics(StepCallback):
    """Writes a line of averages to `stats.jsonl` and to TensorBoard every N steps.

    Each metric is counted by itself, since a phase may begin or end within the interval. The sums
    are Python floats added in the order of the steps, so a resumed run gets the same averages.

    Attributes:
        line: the last line of averages.
        seconds: time in all steps and in waiting for their images, without compiling.
        images_per_second: speed since that line; 0 before the first step after compiling.
        overhead: time between steps over that in steps, since training began: drawing, saving,
            evaluating.
        background: writes what belongs to the statistics; they are closed after it.
        figures: what the next line shows besides the averages.
    """

    def __init__(self, run_dir: Path, *, every: int = 50, images_per_step: int) -> None:
        """Opens nothing before training begins; `images_per_step` are real images."""
        super().__init__(every)
        self.run_dir = run_dir
        self.images_per_step = images_per_step
        self.line: dict[str, Any] = {}
        self.figures: dict[str, float] = {}
        self.seconds = 0.0
        self._counts: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()
        self._timed: Counter[str] = Counter()
        self._between = self._trained = self._elapsed = 0.0
        self._started: float | None = None
        self._events: RecordWriter | None = None
        self.background = Background()

    @property
    def images_per_second(self) -> float:
        return self._timed["images"] / (self._timed["seconds"] or 1.0)

    @property
    def overhead(self) -> float:
        return self._between / (self._trained or 1.0)

    def state(self) -> dict[str, Any]:
        """Forces the lines to disk, so that no checkpoint is newer than they are."""
        if self._events is not None:
            os.fsync(self._file.fileno())
        averages = {"counts": self._counts, "sums": self._sums}
        return {"averages": averages, "seconds": self.seconds, "figures": self.figures}

    def restore(self, state: Mapping[str, Any]) -> None:
        averages, self.seconds = state["averages"], state["seconds"]
        self.figures = dict(state.get("figures", {}))
        self._counts, self._sums = Counter(averages["counts"]), Counter(averages["sums"])

    def on_train_begin(self, logs: Logs = None) -> None:
        """Opens the files, and removes the lines of steps that are trained again."""
        super().on_train_begin(logs)
        self._is_first = True
        path = self.run_dir / "stats.jsonl"
        # TensorBoard's files of a remote run are not fetched.
        resumed = path.exists() or any(self.run_dir.glob("events.*"))
        kept = [line for line in stats.read(self.run_dir) if line["step"] <= self.step]
        with written_atomically(path, parents=True) as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")
        # Not TensorBoard's own writer: on a full disk that fails as if the memory were exhausted.
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._events = RecordWriter((self.run_dir / name).open("xb"))
        self._add_event(0, file_version="brain.Event:2")
        if resumed:
            # Makes TensorBoard forget what an interrupted process wrote beyond this step.
            start = SessionLog(status=SessionLog.SessionStatus.START)
            self._add_event(self.step + 1, session_log=start)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_begin(batch, logs)
        now = time.perf_counter()
        if self._started is not None:
            self._between += now - self._started - self._elapsed
        self._started = now

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        assert self._started is not None
        # Callbacks that come before this one may have generated a grid meanwhile.
        own = time.perf_counter() - self._started
        self._elapsed = elapsed = own if self.call is None else self.call.seconds
        for metrics in self.metrics(logs):
            self._counts.update(metrics.keys())
            self._sums.update(metrics)  # adds the values
        compiled = self._is_first if self.call is None else self.call.compiled
        if not compiled:  # compiling would take most of the time
            self.seconds += elapsed
            self._trained += elapsed
            images = (batch - self._first_batch + 1) * self.images_per_step
            waited = self.call.input_seconds if self.call is not None else 0.0
            waited = min(max(waited, 0.0), elapsed)  # someone may have set the clock
            self._timed.update({"images": images, "seconds": elapsed, "waiting": waited})
        self._is_first = False
        super().on_train_batch_end(batch, logs)

    def act(self) -> None:
        figures: dict[str, float] = {}
        if seconds := self._timed["seconds"]:
            figures["images_per_second"] = round(self.images_per_second, 2)
            if self.call is not None:
                figures["input_share"] = round(self._timed["waiting"] / seconds, 4)
        for name, total in self._sums.items():
            figures[name] = float(f"{total / self._counts[name]:.6g}")
        self.line = self.add(figures | self.figures)
        self.figures = {}
        self._counts, self._sums, self._timed = Counter(), Counter(), Counter()

    def add(self, figures: Mapping[str, float]) -> dict[str, Any]:
        """Writes a line of figures, such as those of an evaluation, and returns it."""
        images = self.step * self.images_per_step
        head = {"step": self.step, "images": images, "seconds": round(self.seconds, 3)}
        self._file.write(json.dumps({**head, **figures}) + "\n")
        self._file.flush()
        values = [{"tag": name, "simple_value": value} for name, value in figures.items()]
        self._add_event(self.step, summary={"value": values})
        return {**head, **figures}

    def image(self, step: int, path: Path) -> None:
        """Shows a PNG file in TensorBoard, as of this step."""
        (width, height), _ = read_header(path)
        size = {"width": width, "height": height, "colorspace": 3}
        content = {**size, "encoded_image_string": path.read_bytes()}
        self._add_event(step, summary={"value": [{"tag": "samples", "image": content}]})

    def _add_event(self, step: int, **content: Any) -> None:
        assert self._events is not None, "training has not begun"
        event = Event(wall_time=time.time(), step=step, **content)
        self._events.write(event.SerializeToString())
        self._events.flush()

    def close(self) -> None:
        self.background.wait()
        if self._events is not None:
            self.state()
            self._file.close()
            self._events.close()
            self._events = None
