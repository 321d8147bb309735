"""Schedules over the planned number of steps, of learning rates and of other values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def cosine(start: float, end: float, progress: tf.Tensor | float) -> tf.Tensor:
    """From `start` to `end` along half a cosine, float32.

    Any value may follow it: a learning rate, a decay, a half-life, the weight of a penalty, the
    probability of an augmentation.

    Args:
        start: the value at a progress of 0 and below.
        end: the value at a progress of 1 and above.
        progress: any shape.
    """
    progress = tf.clip_by_value(tf.cast(progress, tf.float32), 0.0, 1.0)
    return start + (end - start) * 0.5 * (1.0 - tf.cos(math.pi * progress))


def decay_of(half_life: tf.Tensor) -> tf.Tensor:
    """The decay of a moving average by its half-life in steps; 0 for a half-life of 0."""
    return tf.pow(0.5, 1.0 / tf.maximum(tf.cast(half_life, tf.float32), 1e-3))


def half_life_of(decay: float) -> float:
    """Steps after which a value weighs half in a moving average; the inverse of `decay_of`."""
    return -math.log(2.0) / math.log(min(decay, 1.0 - 1e-9)) if decay > 0.0 else 0.0


class _OverPlannedSteps(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule by the fraction of the planned steps that is done."""

    def __init__(self, initial: float, planned_steps: Callable[[], int]) -> None:
        self.initial = initial
        self.planned_steps = planned_steps

    def get_config(self) -> dict[str, Any]:
        return {"initial": self.initial}


class LinearDecay(_OverPlannedSteps):
    """Linear decay to zero over a last part of the planned steps, from 0 to 1."""

    def __init__(self, initial: float, planned_steps: Callable[[], int], part: float) -> None:
        super().__init__(initial, planned_steps)
        self.part = part

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        planned = float(max(2, self.planned_steps()))
        left = (planned - tf.cast(step, tf.float32)) / (planned * self.part)
        return self.initial * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "part": self.part}


class Cosine(_OverPlannedSteps):
    """Half a cosine from an initial to a final value over the planned steps, then constant."""

    def __init__(self, initial: float, final: float, planned_steps: Callable[[], int]) -> None:
        super().__init__(initial, planned_steps)
        self.final = final

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        progress = tf.cast(step, tf.float32) / float(max(1, self.planned_steps()))
        return cosine(self.initial, self.final, progress)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "final": self.final}
