"""Says what the first step of a phase waits for, and keeps what XLA compiled."""

from __future__ import annotations

from tfgan2.training.callbacks.base import Logs, StepCallback
from tfgan2.training.compiled import CompiledSteps
from tfgan2.training.progress import Display


class Compiling(StepCallback):
    """Keeps compiled steps, from one run to the next, and shows when a step is compiled."""

    def __init__(self, display: Display, steps: CompiledSteps | None) -> None:
        """Reads nothing before training begins; without `steps` nothing is kept."""
        super().__init__()
        self.display = display
        self.steps = steps
        self._begun: set[str] = set()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_begin(batch, logs)
        if self.model.phase in self._begun:
            return
        self._begun.add(self.model.phase)
        found = self.steps is not None and self.steps.fetch()
        text = (
            "loading the compiled training step from the cache"
            if found
            else "compiling the training step"
        )
        if self.display.has_bar:
            self.display.move_bar(text, self.step, self.model.planned_steps)
        else:
            self.display.say(text)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(batch, logs)
        if self.call is not None and self.call.compiled and self.steps is not None:
            self.steps.keep()

    def close(self) -> None:
        if self.steps is not None:
            self.steps.give_up()
