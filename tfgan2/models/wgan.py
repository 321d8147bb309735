"""WGAN: Wasserstein GAN."""

from __future__ import annotations

import tensorflow as tf

from tfgan2.hyperparameters import option, preset
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.nn import losses


class WGAN(LatentGAN):
    """Wasserstein GAN: a critic with clipped weights, Arjovsky et al. 2017 (arXiv:1701.07875).

    A critic f minimizes mean f(G(z)) - mean f(x), the generator -mean f(G(z)). So that f stays
    Lipschitz, all its weights are clipped to [-clip, clip] after each of its `d_steps` updates. The
    negated discriminator loss estimates the Wasserstein distance up to a factor. The paper warns of
    momentum in the critic's optimizer.
    """

    class Config(LatentGAN.Config):
        clip: float = option(0.01, "bound of the critic's weights: [-clip, clip]", at_least=1e-9)
        d_steps: int = 5
        generator_optimizer: str = "rmsprop"
        discriminator_optimizer: str = "rmsprop"
        generator_learning_rate: float = 5e-5
        discriminator_learning_rate: float = 5e-5

        cpu = preset(steps=6_000)
        paper = preset(base_channels=64, ema_decay=0.0)

    gan_loss = losses.WASSERSTEIN

    def after_discriminator_update(self) -> None:
        for weight in self.discriminator.trainable_variables:
            clipped = tf.clip_by_value(weight.value, -self.config.clip, self.config.clip)
            weight.assign(clipped)
