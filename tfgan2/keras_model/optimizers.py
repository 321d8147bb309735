"""The optimizers of all networks in the place where Keras and its callbacks expect one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


class SeveralOptimizers:
    """As `keras.optimizers.MultiOptimizer`, which takes no scaled losses and adds state.

    Callbacks that know one optimizer only, such as those of Weights & Biases and MLflow, find the
    learning rate and the iterations of the first.
    """

    built = True
    variables: tuple[Any, ...] = ()

    def __init__(self, by_name: Mapping[str, keras.optimizers.Optimizer]) -> None:
        """Takes the optimizers by their names, such as "generator_optimizer"."""
        self._by_name = by_name
        self.optimizers = list(by_name.values())

    @property
    def iterations(self) -> Any:
        return self.optimizers[0].iterations

    @property
    def learning_rate(self) -> Any:
        return self.optimizers[0].learning_rate

    def get_config(self) -> dict[str, Any]:
        """Returns the configurations of all, each entry after its optimizer's name."""
        return {
            f"{name.removesuffix('_optimizer')}_{key}": value
            for name, optimizer in self._by_name.items()
            for key, value in optimizer.get_config().items()
        }
