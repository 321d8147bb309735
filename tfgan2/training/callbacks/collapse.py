"""Warns when generated images begin to look alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfgan2.images import is_points
from tfgan2.metrics.diversity import diversity, nearest_distances
from tfgan2.training.callbacks.base import StepCallback
from tfgan2.training.callbacks.showing import Previews
from tfgan2.training.callbacks.statistics import Statistics

LEAST_DIVERSITY = 0.85
_IN_A_ROW = 2
"""Grids below the bound before a warning, and above it before the next one."""
_EARLY_GRIDS, _EARLY_STEPS = 10, 2000
"""Early images are alike. A warning before any were varied needs so many grids and steps."""
_FEWEST = 32
"""Fewer samples say too little."""
_REMEDIES = {
    "packing": (1, "packing=2"),
    "augment": ("none", "augment=color,translation"),
    "discriminator_learning_rate": (None, "a lower discriminator_learning_rate"),
}
"""By hyperparameter: the value of runs without it, None for any; what to advise to those."""


class CollapseAlarm(StepCallback):
    """Reports the diversity of each sample grid, and warns of a generator that collapses.

    The figure is written in the next line of statistics. A warning follows two grids in a row below
    LEAST_DIVERSITY, or ten if there were no two in a row above it yet. The next warning needs two
    above it first. Points and images from images have no diversity.
    """

    def __init__(
        self, previews: Previews, statistics: Statistics, say: Callable[[str], None]
    ) -> None:
        """Comes before the statistics and the previews, whose grids it uses."""
        super().__init__(previews.every)
        self.previews, self.statistics, self.say = previews, statistics, say
        self._state = {"low": 0, "high": 0, "has_risen": False, "has_warned": False}
        self._real: np.ndarray | None = None

    def state(self) -> dict[str, Any]:
        return {"collapse_alarm": self._state}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._state = dict(state.get("collapse_alarm", self._state))

    def act(self) -> None:
        view = self.previews.views()[""]
        if view.reals is None or is_points(view.images.shape):
            return
        count = min(len(view.images), len(view.reals))
        if count < _FEWEST:
            return
        if self._real is None:
            self._real = nearest_distances(view.reals[:count])
        value = diversity(nearest_distances(view.images[:count]), self._real)
        self.statistics.figures["diversity"] = float(f"{value:.4g}")
        self._judge(value)

    def _judge(self, value: float) -> None:
        """Counts the grids in a row on either side of the bound, and may warn."""
        state, low = self._state, value < LEAST_DIVERSITY
        state["low"], state["high"] = (state["low"] + 1, 0) if low else (0, state["high"] + 1)
        if state["high"] == _IN_A_ROW:
            state["has_risen"], state["has_warned"] = True, False
        collapsed = state["has_risen"] and state["low"] >= _IN_A_ROW
        never_risen = self.step >= _EARLY_STEPS and state["low"] >= _EARLY_GRIDS
        if (collapsed or never_risen) and not state["has_warned"]:
            self.say(
                f"warning: at step {self.step}, many samples look alike (diversity {value:.2f}, "
                f"below {LEAST_DIVERSITY}): an earlier checkpoint may be better"
                f"{_advice(dict(self.model.config))}"
            )
            state["has_warned"] = True


def _advice(hyperparameters: Mapping[str, Any]) -> str:
    """Returns the end of the warning: what a run with these hyperparameters may still try."""
    found = [
        advice
        for name, (without, advice) in _REMEDIES.items()
        if name in hyperparameters and without in (None, hyperparameters[name])
    ]
    return f"; {' or '.join(found)} may help" if found else ""
