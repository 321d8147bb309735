"""GAN: generative adversarial nets, the first of them."""

from __future__ import annotations

from typing import Any, Literal

import tensorflow as tf

from tfgan2.images import is_points
from tfgan2.models.base import check_choice
from tfgan2.models.cross_entropy import CrossEntropyModel
from tfgan2.nn import losses


class GAN(CrossEntropyModel):
    """The game of Goodfellow et al. 2014 (arXiv:1406.2661), with fully connected networks.

    The discriminator minimises -log D(x) - log(1 - D(G(z))) in `d_steps` updates, each on fresh
    samples; then the generator once log(1 - D(G(z))), which the paper calls minimax and which
    hardly moves it while D wins, or -log D(G(z)), the paper's remedy.

    The paper's networks, of maxout and sigmoid units, have batch norm, ReLU and LeakyReLU here, and
    Adam in place of momentum: what the papers after it found to train.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        loss: Literal["non_saturating", "minimax"] = "non_saturating",
        network: Literal["mlp", "dcgan", "resnet", "tutorial", "began"] = "mlp",
        dropout: float | None = None,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            loss: the generator's; non_saturating is -log D(G(z)), minimax is log(1 - D(G(z))).
            network: architecture of both players: mlp (the paper's kind), dcgan, resnet, tutorial,
                began.
            dropout: share of the discriminator's features dropped, after every layer of mlp; 0.3,
                points 0.
            **shared: see `CrossEntropyModel`.

        Raises:
            UserError: a value that is not possible.
        """
        if dropout is None:
            dropout = 0.0 if is_points(image_shape) else 0.3
        super().__init__(image_shape, network=network, dropout=dropout, **shared)
        check_choice("loss", loss, ("non_saturating", "minimax"))
        self.loss_name = loss
        self.set_networks(*self.standard_networks())

    def hyperparameter(self, name: str) -> Any:
        # `loss` itself belongs to Keras.
        return self.loss_name if name == "loss" else super().hyperparameter(name)

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        if self.loss_name == "minimax":
            return losses.minimax_generator_loss(fake_logits)
        return losses.non_saturating_generator_loss(fake_logits)
