"""Learning rates that depend on the planned number of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant for the first half of the planned steps, then linear decay to zero."""

    def __init__(self, initial: float, planned_steps: Callable[[], int]) -> None:
        self.initial = initial
        self.planned_steps = planned_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        planned = float(max(2, self.planned_steps()))
        left = (planned - tf.cast(step, tf.float32)) / (planned / 2)
        return self.initial * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"initial": self.initial}
