"""WGAN-GP: improved training of Wasserstein GANs."""

from __future__ import annotations

from typing import Any, Literal

import tensorflow as tf

from tfgan2.models.adversarial import Metrics, Samples
from tfgan2.models.base import check_choice, check_range
from tfgan2.models.wgan import CriticModel
from tfgan2.nn import penalties


class WGANGP(CriticModel):
    """The GAN of Gulrajani et al. 2017 (arXiv:1704.00028).

    A critic f minimises mean f(G(z)) - mean f(x) + weight * mean (|grad f(y)| - 1)^2, where y lies
    between a real and a generated sample at a place U[0, 1]; the generator -mean f(G(z)). There is
    no batch norm in the critic, since the penalty is on each sample's own gradient.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        penalty_weight: float = 10.0,
        one_sided: bool = False,
        critic_norm: Literal["none", "layer"] = "none",
        d_steps: int = 5,
        generator_learning_rate: float = 1e-4,
        discriminator_learning_rate: float = 1e-4,
        beta_1: float = 0.0,
        beta_2: float = 0.9,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            penalty_weight: of the gradient penalty.
            one_sided: penalise only norms above 1.
            critic_norm: none, or layer normalisation, which the paper recommends where one is
                wanted.
            d_steps: critic updates per generator update, each on fresh real samples.
            generator_learning_rate: of the generator's optimizer.
            discriminator_learning_rate: of the critic's optimizer.
            beta_1: decay of Adam's first moment, both players.
            beta_2: decay of Adam's second moment, both players.
            **shared: see `AdversarialModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(
            image_shape,
            d_steps=d_steps,
            generator_learning_rate=generator_learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            **shared,
        )
        check_range("penalty_weight", penalty_weight, 0.0)
        check_choice("critic_norm", critic_norm, ("none", "layer"))
        self.penalty_weight = penalty_weight
        self.one_sided = one_sided
        self.critic_norm = critic_norm
        self.set_networks(*self.standard_networks(norm=critic_norm))

    def discriminator_objective(
        self, real: Samples, fake: Samples, stream: str
    ) -> tuple[tf.Tensor, Metrics]:
        loss, metrics = super().discriminator_objective(real, fake, stream)
        penalty = penalties.gradient_penalty(
            lambda images: self.judge(real._replace(images=images)),
            real.images,
            fake.images,
            one_sided=self.one_sided,
            seed=self.noise_seed(f"{stream}: penalty"),
        )
        return loss + self.penalty_weight * penalty, {**metrics, "gradient_penalty": penalty}
