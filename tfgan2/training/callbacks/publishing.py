"""Copies a run directory to a remote one while it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tfgan2.errors import UserError
from tfgan2.training.callbacks.base import Logs, StepCallback

if TYPE_CHECKING:
    from tfgan2.remote import Mirror


class Publishing(StepCallback):
    """Copies what is new to the remote directory; a failing network does not stop training."""

    def __init__(
        self,
        mirror: Mirror,
        *,
        every: Sequence[int],
        events_every: int,
        say: Callable[[str], None],
    ) -> None:
        """Takes the settings.

        Args:
            mirror: copies the files.
            every: the intervals, in steps, at which files are written.
            events_every: steps between two copies of TensorBoard's file, which only grows.
            say: called with a warning when a copy fails.
        """
        super().__init__()
        self.mirror = mirror
        self.intervals = every
        self.events_every = events_every
        self.say = say

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(batch, logs)
        events = self.is_last or self.is_due(self.events_every)
        if not events and not any(map(self.is_due, self.intervals)):
            return
        try:
            self.mirror.push(events)
        except UserError as error:
            self.say(f"warning: {error}; trying again later")
