"""The base class of all callbacks, and what every training needs: checkpoints, and a stop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from tfgan2.errors import TrainingDivergedError
from tfgan2.training import checkpoints
from tfgan2.training.background import Background

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel
    from tfgan2.training.calls import Call

Logs = Mapping[str, float] | None


class StepCallback(keras.callbacks.Callback):
    """Base class: counts the steps of the whole training, and acts every N of them.

    Attributes:
        step: number of steps done.
        every: steps between two calls of `act`; 0: never.
        call: what the latest call of a compiled function trained; None in plain `model.fit`, which
            knows the metrics of its last step only.
    """

    model: GenerativeModel
    call: Call | None = None

    def __init__(self, every: int = 0) -> None:
        super().__init__()
        self.every = every
        self.step = 0
        self._steps_in_call = 1
        self._first_batch = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self.step = int(self.model.step.numpy())

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._first_batch = batch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        # A call may train several steps: `batch` is the index of the last one.
        self._steps_in_call = batch - self._first_batch + 1
        self.step += self._steps_in_call
        if self.every and (self.is_last or self.is_due(self.every)):
            self.act()

    def metrics(self, logs: Logs) -> list[Mapping[str, float]]:
        """Returns those of each step of the latest call that are known."""
        return [logs or {}] if self.call is None else list(self.call.metrics)

    def is_due(self, every: int) -> bool:
        """True if the last call has reached or passed a multiple of `every` steps."""
        return self.step // every > (self.step - self._steps_in_call) // every

    @property
    def is_last(self) -> bool:
        """True at the last step of the plan; `model.plan` sets it, and so does `model.fit`."""
        return self.step - self._steps_in_call < self.model.planned_steps <= self.step

    def act(self) -> None:
        """Called after every `every` steps and after the last one."""

    def close(self) -> None:
        """Releases files and threads; the loop calls it after errors, too."""

    def on_train_end(self, logs: Logs = None) -> None:
        self.close()


class Checkpoints(StepCallback):
    """Saves all state every N steps, after the last step and when training is stopped.

    A thread writes the files, of a copy of the state.
    """

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
        self.background = Background()
        self._saved = self._early = 0

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
        if not self.step and self.model.is_fine_tuned:
            self._saved = -1
            self.save()  # a resume needs the other run no more

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(batch, logs)
        if self._early == self.step:
            self.save()

    def act(self) -> None:
        self.save()

    def on_train_end(self, logs: Logs = None) -> None:
        self.save()
        super().on_train_end(logs)

    def save(self, *, best: bool = False, early: bool = False) -> None:
        """Saves a checkpoint of this moment, unless there is one; or replaces the best one.

        An `early` one is replaced once all callbacks have acted. If a weight is not finite, raises
        a TrainingDivergedError and writes nothing.
        """
        # Other callbacks may ask for a checkpoint before this one has counted the step.
        step = int(self.model.step.numpy())
        if not best and self._saved >= step:
            return
        extra: dict[str, Any] = {}
        for callback in self.stateful:
            extra |= copy.deepcopy(callback.state())  # it may change while the thread writes
        arrays = {name: variable.numpy() for name, variable in self.model.state().items()}
        self.background.wait()  # before an error names the newest file
        checkpoints.check_finite(self.run_dir, step, arrays)
        save, run_dir = checkpoints.save, self.run_dir
        self.background.run(save, run_dir, step, arrays, extra, keep=self.keep, best=best)
        if early:
            self._early = step
        elif not best:
            self._saved = step

    def diverged(self, event: str) -> TrainingDivergedError:
        """Makes the error, which names the last good checkpoint."""
        self.background.wait()
        return checkpoints.diverged(event, self.run_dir)

    def close(self) -> None:
        self.background.wait()


class StopOnDivergence(StepCallback):
    """Raises a TrainingDivergedError that names the first step with a metric that is not finite."""

    def __init__(self, saving: Checkpoints) -> None:
        super().__init__()
        self.saving = saving

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(batch, logs)
        metrics = self.metrics(logs)
        for step, values in enumerate(metrics, self.step + 1 - len(metrics)):
            for name, value in values.items():
                if not math.isfinite(value):
                    raise self.saving.diverged(f"{name} became {value} at step {step}")
