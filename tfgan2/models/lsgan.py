"""LSGAN: least squares generative adversarial networks."""

from __future__ import annotations

from tfgan2.hyperparameters import preset
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.nn import losses


class LSGAN(LatentGAN):
    """The least squares GAN, Mao et al. 2016 (arXiv:1611.04076).

    The discriminator minimizes (D(x) - 1)^2 / 2 + D(G(z))^2 / 2, the generator
    (D(G(z)) - 1)^2 / 2: the paper's losses with a = 0 and b = c = 1. Samples on the right side of
    the border but far from the data still get a gradient.
    """

    class Config(LatentGAN.Config):
        paper = preset(
            base_channels=64,
            generator_learning_rate=1e-3,
            discriminator_learning_rate=1e-3,
            ema_decay=0.0,
        )

    gan_loss = losses.LEAST_SQUARES
