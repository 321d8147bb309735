"""The base class of all callbacks of this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel

Logs = Mapping[str, float] | None


class StepCallback(keras.callbacks.Callback):
    """Base class: counts the steps of the whole training, and acts every N of them.

    Attributes:
        step: number of steps done.
        every: steps between two calls of `act`; 0: never.
    """

    model: GenerativeModel

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
