"""Penalties that have updates of their own every few steps, Karras et al. 2020 (appendix B)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from tfgan2.distributed.accumulation import accumulated
from tfgan2.models.base import Batch, Metrics
from tfgan2.models.latent_gan import LatentGAN

GAME = "game"


class LazyUpdate(NamedTuple):
    """An update for a penalty alone.

    Attributes:
        optimizer: name of the optimizer.
        interval: steps from one such update to the next.
        update: does it; takes the batch of a step.
    """

    optimizer: str
    interval: int
    update: Callable[[Batch], Metrics]


class LazyGAN(LatentGAN):
    """A LatentGAN with lazy penalties, for each of which an optimizer has at most one.

    Which updates a step has is its phase, since several replicas cannot decide that within a step.
    """

    def lazy_updates(self) -> dict[str, LazyUpdate]:
        """The lazy updates by name."""
        raise NotImplementedError

    def lazy_weight(self, name: str) -> int:
        """Factor of a lazy penalty: the updates of the game between two of its own.

        1 in a loop that sets no phase, which has all in each step.
        """
        return self._game_updates(self.lazy_updates()[name]) if self.phase else 1

    def _game_updates(self, lazy: LazyUpdate) -> int:
        return lazy.interval * self.updates_per_step(lazy.optimizer)

    def phase_at(self, step: int) -> str:
        """The updates of a step, such as "game + R1"."""
        updates = self.lazy_updates().items()
        return " + ".join([GAME, *(name for name, each in updates if step % each.interval == 0)])

    # --- optimizers ------------------------------------------------------------------------------

    def share_of_game(self, optimizer: str) -> float:
        """The fraction of an optimizer's updates that are those of the game, not lazy ones."""
        counts = [
            self._game_updates(lazy)
            for lazy in self.lazy_updates().values()
            if lazy.optimizer == optimizer
        ]
        return counts[0] / (counts[0] + 1) if counts else 1.0

    def learning_rate(self, name: str) -> Any:
        return self.share_of_game(name) * super().learning_rate(name)

    def default_optimizer(self, name: str) -> keras.optimizers.Optimizer:
        """The optimizer of the hyperparameters, made independent of the number of lazy updates.

        With a share c of the game's updates, the rate is multiplied by c, and Adam's betas have the
        power c. A loop that sets no phase has more lazy updates than this corrects for.
        """
        optimizer, share = super().default_optimizer(name), self.share_of_game(name)
        if isinstance(optimizer, keras.optimizers.Adam):
            optimizer.beta_1, optimizer.beta_2 = optimizer.beta_1**share, optimizer.beta_2**share
        return optimizer

    # --- the step --------------------------------------------------------------------------------

    def play(self, batch: Batch) -> Metrics:
        """A step of the game."""
        return super().train_step(batch)

    def train_step(self, batch: Batch) -> Metrics:
        """The lazy updates that the phase has, all if it has no name, then a step of the game.

        Batch and metrics are those of the game, with the metrics of the lazy updates.
        """
        return self._joined(self._parts(), batch)

    @property
    def is_divided(self) -> bool:
        return True

    def compiled_step(self, compiled: Any = None) -> Callable[[Batch], Metrics]:
        settings = (self.accumulate, compiled, self.batches_per_step)
        parts = {name: accumulated(part, *settings) for name, part in self._parts().items()}
        return lambda batch: self._joined(parts, batch)

    def _parts(self) -> dict[str, Callable[[Batch], Metrics]]:
        lazy = {name: each.update for name, each in self.lazy_updates().items()}
        return {**lazy, GAME: self.play}

    def _joined(self, parts: dict[str, Callable[[Batch], Metrics]], batch: Batch) -> Metrics:
        """The metrics of those parts that the phase has."""
        names = self.phase.split(" + ") if self.phase else parts
        return {k: v for name in parts if name in names for k, v in parts[name](batch).items()}
