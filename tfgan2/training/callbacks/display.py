"""Shows the progress of training."""

from __future__ import annotations

from tfgan2.training.callbacks.base import Logs, StepCallback
from tfgan2.training.callbacks.statistics import Statistics
from tfgan2.training.progress import Display


class Progress(StepCallback):
    """Shows a bar in a terminal, and lines elsewhere."""

    def __init__(self, display: Display, statistics: Statistics) -> None:
        super().__init__()
        self.display = display
        self.statistics = statistics

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin(logs)
        self.display.start_training(self.step, self.model.planned_steps)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(batch, logs)
        self.display.step(self.step, logs or {}, self.statistics.images_per_second)
        line = self.statistics.line
        if line.get("step") == self.step:
            self.display.line(line, self.model.planned_steps)

    def close(self) -> None:
        self.display.close()
