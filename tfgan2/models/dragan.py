"""DRAGAN: on convergence and stability of GANs."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfgan2.models.adversarial import Metrics, Samples
from tfgan2.models.base import check_range
from tfgan2.models.cross_entropy import CrossEntropyModel
from tfgan2.nn import penalties


class DRAGAN(CrossEntropyModel):
    """The GAN of Kodali et al. 2017 (arXiv:1705.07215).

    The non-saturating game, and for the discriminator a penalty weight * mean (|grad D(y)| - 1)^2
    on its logits at points y around the real data: sharp gradients there let a GAN collapse.
    There is no batch norm in the discriminator, since the penalty is on each sample's own gradient.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], *, penalty_weight: float = 10.0, **shared: Any
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            penalty_weight: of the gradient penalty.
            **shared: see `CrossEntropyModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, **shared)
        check_range("penalty_weight", penalty_weight, 0.0)
        self.penalty_weight = penalty_weight
        self.set_networks(*self.standard_networks(norm="none"))

    def discriminator_objective(
        self, real: Samples, fake: Samples, stream: str
    ) -> tuple[tf.Tensor, Metrics]:
        loss, metrics = super().discriminator_objective(real, fake, stream)
        penalty = penalties.dragan_penalty(
            lambda images: self.judge(real._replace(images=images)),
            real.images,
            seed=self.noise_seed(f"{stream}: penalty"),
        )
        return loss + self.penalty_weight * penalty, {**metrics, "gradient_penalty": penalty}
