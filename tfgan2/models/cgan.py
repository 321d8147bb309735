"""CGAN: conditional generative adversarial nets."""

from __future__ import annotations

from typing import Any

from tfgan2.models.gan import GAN
from tfgan2.models.latent_gan import ConditionalGAN


class CGAN(ConditionalGAN, GAN):
    """A GAN whose networks know the class, Mirza and Osindero 2014 (arXiv:1411.1784).

    The label y is embedded and joined with z in the generator and with x in the discriminator. D
    minimizes -log D(x|y) - log(1 - D(G(z|y)|y)), G -log D(G(z|y)|y). Generated samples take the
    labels of the real ones in the batch.
    """

    class Config(ConditionalGAN.Config, GAN.Config):
        pass

    def discriminator_settings(self) -> dict[str, Any]:
        return {"num_labels": self.num_labels}
