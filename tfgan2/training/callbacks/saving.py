"""Saves checkpoints, and stops before broken weights reach them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import TrainingDivergedError
from tfgan2.training import checkpoints
from tfgan2.training.callbacks.base import Logs, StepCallback

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel


class StopOnDivergence(StepCallback):
    """Raises a TrainingDivergedError at the first loss or metric that is not finite."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__()
        self.run_dir = run_dir

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(batch, logs)
        for name, value in (logs or {}).items():
            if not math.isfinite(value):
                raise diverged(f"{name} became {value} at step {self.step}", self.run_dir)


def diverged(event: str, run_dir: Path) -> TrainingDivergedError:
    """Makes the error, which names the last good checkpoint."""
    good = checkpoints.paths(run_dir)
    state = f"the last good checkpoint is {good[0]}" if good else "there is no checkpoint yet"
    return TrainingDivergedError(f"{event}, {state}: lower the learning rates, or try another seed")


class Checkpoints(StepCallback):
    """Saves all state every N steps, after the last step and when training is stopped."""

    def __init__(
        self, run_dir: Path, *, every: int = 500, keep: int = 3, stateful: Sequence[Any] = ()
    ) -> None:
        """Keeps the newest checkpoints; `run_dir` must exist.

        `stateful` are callbacks whose state is saved, too: `state()` returns JSON with keys of its
        own; `restore(state)` takes it back, with the keys of the others.
        """
        super().__init__(every)
        self.run_dir = run_dir
        self.keep = keep
        self.stateful = stateful
        self._saved = 0

    def restore(self, model: GenerativeModel, report: Callable[[str], None]) -> int:
        """Restores the compiled model and the callbacks from the newest checkpoint.

        Calls `report` with a message for every damaged one. Returns the step, or 0 without any.
        """
        checkpoint = checkpoints.newest(self.run_dir, report)
        if checkpoint is None:
            return 0
        checkpoints.restore(checkpoint, model.state())
        for callback in self.stateful:
            callback.restore(checkpoint.extra)
        return checkpoint.step

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin(logs)
        self._saved = self.step

    def act(self) -> None:
        self.save()

    def on_train_end(self, logs: Logs = None) -> None:
        self.save()
        super().on_train_end(logs)

    def save(self, best: bool = False) -> None:
        """Saves a checkpoint of this moment, unless there is one; or replaces the best one."""
        # Other callbacks may ask for a checkpoint before this one has counted the step.
        step = int(self.model.step.numpy())
        if not best and self._saved >= step:
            return
        extra: dict[str, Any] = {}
        for callback in self.stateful:
            extra |= callback.state()
        arrays = {name: np.asarray(variable) for name, variable in self.model.state().items()}
        try:
            checkpoints.save(self.run_dir, step, arrays, extra, keep=self.keep, best=best)
        except FloatingPointError as error:
            raise diverged(f"{error} is not finite after step {step}", self.run_dir) from error
        if not best:
            self._saved = step
