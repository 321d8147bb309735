"""Evaluates the model while it trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tfgan2.training.callbacks.base import StepCallback
from tfgan2.training.callbacks.saving import Checkpoints
from tfgan2.training.callbacks.statistics import Statistics


class Evaluation(StepCallback):
    """Calls a function every N steps, logs the figures it returns and keeps the best checkpoint."""

    def __init__(
        self,
        evaluate: Callable[[int, int], Mapping[str, float]],
        *,
        every: int,
        statistics: Statistics,
        checkpoints: Checkpoints,
        best_metric: str,
        is_better: Callable[[float, float | None], bool],
        prefix: str = "",
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Takes the settings.

        Args:
            evaluate: called with the step and the number of real images so far.
            every: steps between two calls.
            statistics: where the figures go.
            checkpoints: keeps the best checkpoint.
            best_metric: the figure that decides which is the best.
            is_better: called with a value of it and the best one before, or None.
            prefix: prepended to the names of the figures, for example "classifier/".
            say: called with one line about each evaluation.
        """
        super().__init__(every)
        self.evaluate = evaluate
        self.statistics = statistics
        self.checkpoints = checkpoints
        self.best_metric = best_metric
        self.is_better = is_better
        self.prefix = prefix
        self.say = say
        self.best: dict[str, Any] | None = None

    def state(self) -> dict[str, Any]:
        return {"best": self.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.best = state.get("best")

    def act(self) -> None:
        if self.model.stop_training:  # there may be no time left for an evaluation
            self.checkpoints.save()
        started = time.perf_counter()
        figures = self.evaluate(self.step, self.step * self.statistics.images_per_step)
        self.statistics.add({self.prefix + name: value for name, value in figures.items()})
        value = figures[self.best_metric]
        is_best = self.is_better(value, self.best["value"] if self.best else None)
        if is_best:
            self.best = {"metric": self.best_metric, "value": value, "step": self.step}
            self.checkpoints.save_best()
        if self.say is not None:
            values = " ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in figures.items())
            kept = " | best so far" if is_best else ""
            seconds = time.perf_counter() - started
            self.say(f"step {self.step} | {self.prefix} {values} | {seconds:.0f} s{kept}")
