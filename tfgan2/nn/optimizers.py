"""Optimizers whose settings follow a schedule."""

from __future__ import annotations

from typing import Any

import keras


def with_scheduled_beta_2(kind: Any) -> Any:
    """A class of Adam, or of an optimizer derived from it, that also takes a schedule as `beta_2`.

    The correction of the bias takes the beta_2 of the step for all earlier steps, which is what
    changing it between steps does in other libraries.
    """

    class Scheduled(kind):
        @property
        def beta_2(self) -> Any:
            """The value for the current step."""
            schedule = self._beta_2
            is_schedule = isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)
            return schedule(self.iterations) if is_schedule else schedule

        @beta_2.setter
        def beta_2(self, value: Any) -> None:
            self._beta_2 = value

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "beta_2": self._beta_2}

    Scheduled.__name__ = Scheduled.__qualname__ = f"Scheduled{kind.__name__}"
    return Scheduled
