"""WGAN-GP: improved training of Wasserstein GANs."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.hyperparameters import option, preset
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.options import Decay, GradientPenalty
from tfgan2.models.regularizers import Samples
from tfgan2.nn import losses, penalties


class WGANGP(LatentGAN):
    """Wasserstein GAN with gradient penalty, Gulrajani et al. 2017 (arXiv:1704.00028).

    A critic f minimizes mean f(G(z)) - mean f(x) + penalty_weight * mean (|grad f(y)| - 1)^2, where
    y is a random point between a real and a generated sample; the generator -mean f(G(z)). The
    critic has no batch norm, since the penalty is on each sample's own gradient.

    The defaults are those of the paper's Algorithm 1. `--preset paper` has the authors' ResNet for
    CIFAR-10, whose learning rates fall linearly to zero.
    """

    class Config(GradientPenalty, Decay, LatentGAN.Config):
        one_sided: bool = option(False, "penalize only gradient norms above 1")
        critic_norm: str = option(
            "none",
            "normalization of the critic; the paper allows layer, network=r3gan has none",
            choices=("none", "layer"),
        )
        d_steps: int = 5
        generator_learning_rate: float = 1e-4
        discriminator_learning_rate: float = 1e-4
        beta_1: float = 0.0
        beta_2: float = 0.9

        cpu = preset(steps=5_000)
        paper = preset(
            network="resnet",
            latent_dim=128,
            generator_learning_rate=2e-4,
            discriminator_learning_rate=2e-4,
            decay=1.0,
            ema_decay=0.0,
            steps=100_000,
        )

        def resolve(self) -> None:
            super().resolve()
            if self.network == "r3gan" and self.critic_norm != "none":
                raise UserError("network=r3gan has no normalization: leave critic_norm out")

    gan_loss = losses.WASSERSTEIN

    def discriminator_settings(self) -> dict[str, Any]:
        return {"norm": self.config.critic_norm}

    def discriminator_penalties(
        self, real: Samples, fake: Samples, stream: str
    ) -> dict[str, tuple[float, tf.Tensor]]:
        penalty = penalties.gradient_penalty(
            lambda images: self.logits(real._replace(images=images)),
            real.images,
            fake.images,
            one_sided=self.config.one_sided,
            seed=self.noise_seed(f"{stream}: penalty"),
        )
        return {"gradient_penalty": (self.config.penalty_weight, penalty)}
