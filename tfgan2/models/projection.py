"""Projection: cGANs with projection discriminator."""

from __future__ import annotations

from typing import Any

from tfgan2.hyperparameters import preset
from tfgan2.models.latent_gan import ConditionalGAN
from tfgan2.models.sngan import SNGAN


class ProjectionGAN(ConditionalGAN, SNGAN):
    """SNGAN with classes, projected in its D, Miyato and Koyama 2018 (arXiv:1802.05637).

    The discriminator's logit is psi(f(x)) + v(y) f(x): a linear function of the features f, plus
    their product with the embedding v of the class y. The class scales and shifts the batch norms
    of the generator's blocks; with `network=tutorial`, `began`, `mobile` or `r3gan`, it is
    concatenated with the latents instead. Loss, spectral norm and networks are those of SNGAN.

    `--preset paper` has the networks of the paper at 128x128 pixels: `network=pyramid` with 64 to
    1,024 channels, whose learning rates fall linearly to zero in the last 50,000 of 450,000 steps.
    """

    class Config(ConditionalGAN.Config, SNGAN.Config):
        paper = preset(
            network="pyramid",
            base_channels=64,
            max_channels=1024,
            generator_channels=None,
            decay=0.1111,
            steps=450_000,
        )

    def generator_settings(self) -> dict[str, Any]:
        return {**super().generator_settings(), "conditioning": "norm"}

    def discriminator_settings(self) -> dict[str, Any]:
        projected = {"num_labels": self.num_labels, "projected": True}
        return {**super().discriminator_settings(), **projected}
