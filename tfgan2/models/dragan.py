"""DRAGAN: on convergence and stability of GANs."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfgan2.hyperparameters import preset
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.options import GradientPenalty
from tfgan2.models.regularizers import LabelSmoothing, Samples
from tfgan2.nn import losses, penalties


class DRAGAN(LatentGAN):
    """A GAN with a gradient penalty around the data, Kodali et al. 2017 (arXiv:1705.07215).

    The non-saturating game, and for the discriminator penalty_weight * mean (|grad D(y)| - 1)^2 on
    its logits at points y around the real data: sharp gradients there let a GAN collapse. The
    discriminator has no batch norm, since the penalty is on each sample's own gradient.
    """

    class Config(GradientPenalty, LabelSmoothing.Config, LatentGAN.Config):
        cpu = preset(steps=14_000)
        paper = preset(base_channels=64, ema_decay=0.0)

    gan_loss = losses.NON_SATURATING

    def discriminator_settings(self) -> dict[str, Any]:
        return {"norm": "none"}

    def discriminator_penalties(
        self, real: Samples, fake: Samples, stream: str
    ) -> dict[str, tuple[float, tf.Tensor]]:
        penalty = penalties.dragan_penalty(
            lambda images: self.logits(real._replace(images=images)),
            real.images,
            seed=self.noise_seed(f"{stream}: penalty"),
        )
        return {"gradient_penalty": (self.config.penalty_weight, penalty)}
