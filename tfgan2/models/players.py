"""Two players, each with an optimizer of its own."""

from __future__ import annotations

from typing import Any

import keras

from tfgan2.models.base import GenerativeModel

PLAYERS = ("generator", "discriminator")


class TwoPlayerModel(GenerativeModel):
    """A model whose `compile` takes an optimizer for either player."""

    generator_optimizer: keras.optimizers.Optimizer
    discriminator_optimizer: keras.optimizers.Optimizer

    def player_variables(self, player: str) -> list[keras.Variable]:
        """What a player, one of PLAYERS, learns."""
        raise NotImplementedError

    def default_optimizer(self, player: str) -> keras.optimizers.Optimizer:
        """A player's optimizer as the hyperparameters say.

        Raises:
            UserError: a value that is not possible.
        """
        raise NotImplementedError

    def check_optimizers(self) -> None:
        """Raises a UserError for a wrong hyperparameter now rather than when training starts."""
        for player in PLAYERS:
            self.default_optimizer(player)

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer | str | None = None,
        discriminator_optimizer: keras.optimizers.Optimizer | str | None = None,
        **kwargs: Any,
    ) -> None:
        """Takes the players' optimizers; like `tf.keras.Model.compile` otherwise.

        Args:
            generator_optimizer: an optimizer of Keras or its name; default: what the
                hyperparameters say, which are the paper's.
            discriminator_optimizer: likewise.
            **kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution`.
        """
        super().compile(optimizer=None, **kwargs)
        self.generator_optimizer, self.discriminator_optimizer = (
            self.prepared(given or self.default_optimizer(player), self.player_variables(player))
            for given, player in zip(
                (generator_optimizer, discriminator_optimizer), PLAYERS, strict=True
            )
        )

    def optimizers_by_name(self) -> dict[str, keras.optimizers.Optimizer]:
        return {
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
