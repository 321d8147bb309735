"""Writes the statistics of a run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgan2.training import stats
from tfgan2.training.callbacks.base import Logs, StepCallback


class Statistics(StepCallback):
    """Writes a line of averages to `stats.jsonl` and to TensorBoard every N steps.

    Attributes:
        line: the last line of averages.
        seconds: time in all steps and in waiting for their images, without compiling.
        images_per_second: speed since that line; 0 before the first step after compiling.
    """

    def __init__(self, run_dir: Path, *, every: int = 50, images_per_step: int) -> None:
        """Opens nothing before training begins.

        Args:
            run_dir: the run directory; it must exist.
            every: steps between two lines.
            images_per_step: real images that one step takes.
        """
        super().__init__(every)
        self.run_dir = run_dir
        self.images_per_step = images_per_step
        self.line: dict[str, Any] = {}
        self.seconds = 0.0
        self._averages = stats.Averages()
        self._writer: stats.StatsWriter | None = None
        self._clear_timing()

    def _clear_timing(self) -> None:
        self._timed_images, self._timed_seconds, self._timed_waiting = 0, 0.0, 0.0

    @property
    def images_per_second(self) -> float:
        return self._timed_images / self._timed_seconds if self._timed_seconds else 0.0

    def state(self) -> dict[str, Any]:
        """Forces the lines to disk, so that no checkpoint is newer than they are."""
        if self._writer is not None:
            self._writer.sync()
        return {"averages": self._averages.state(), "seconds": self.seconds}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._averages = stats.Averages(state["averages"])
        self.seconds = state["seconds"]

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin(logs)
        self._writer = stats.StatsWriter(self.run_dir, self.step)
        self._compiles = True

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_begin(batch, logs)
        # Our loop says how long it waited for the batch, and whether the step is new.
        self._waited = (logs or {}).get("input_seconds")
        self._compiles = bool((logs or {}).get("compiles", self._compiles))
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        waited = self._waited or 0.0
        elapsed = time.perf_counter() - self._started + waited
        self._averages.add(logs or {})
        if not self._compiles:  # compiling would take most of the time
            self.seconds += elapsed
            self._timed_seconds += elapsed
            self._timed_waiting += waited
            self._timed_images += (batch - self._first_batch + 1) * self.images_per_step
        self._compiles = False
        super().on_train_batch_end(batch, logs)

    def act(self) -> None:
        figures = {"images_per_second": round(self.images_per_second, 2)}
        if self._waited is not None:
            figures["input_share"] = round(self._timed_waiting / (self._timed_seconds or 1), 4)
        self.line = self.add({**figures, **self._averages.take()})
        self._clear_timing()

    def add(self, figures: Mapping[str, float]) -> dict[str, Any]:
        """Writes a line of figures, such as those of an evaluation, and returns it."""
        assert self._writer is not None, "training has not begun"
        images = self.step * self.images_per_step
        head = {"step": self.step, "images": images, "seconds": round(self.seconds, 3)}
        self._writer.line({**head, **figures})
        return {**head, **figures}

    def image(self, path: Path) -> None:
        """Shows a PNG file in TensorBoard."""
        if self._writer is not None:
            self._writer.image(self.step, path)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.sync()
            self._writer.close()
            self._writer = None
