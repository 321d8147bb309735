"""SNGAN: spectral normalization for generative adversarial networks."""

from __future__ import annotations

from typing import Any

from tfgan2.hyperparameters import option, preset
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.options import Decay
from tfgan2.nn import losses


class SNGAN(LatentGAN):
    """A GAN with spectral norm and hinge loss, Miyato et al. 2018 (arXiv:1802.05957).

    One power iteration per pass holds the kernels of all layers of the discriminator to a spectral
    norm of 1. It minimizes the hinge loss, mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))), the
    generator -mean D(G(z)).

    `network=dcgan` is a plain CNN, which 2 cores can train. The paper's ResNets need a GPU:
    `network=resnet` is that of 32x32 pixels (table 4), `network=pyramid` those of larger images
    (tables 5 and 6). Their defaults are five discriminator updates per generator update, and 0 and
    0.9 as the betas of Adam. `--preset paper` is the authors' code for CIFAR-10: a ResNet with 256
    channels in the generator and 128 in the discriminator, and learning rates that fall linearly to
    zero. That code gives the generator 128 images per update, this one as many as D.
    """

    class Config(Decay, LatentGAN.Config):
        generator_channels: int = option(
            None, "base_channels of the generator; none: base_channels", at_least=1
        )
        d_steps: int = option(1, resnet=5, pyramid=5)
        beta_1: float = option(0.5, resnet=0.0, pyramid=0.0)
        beta_2: float = option(0.999, resnet=0.9, pyramid=0.9)

        few = preset(lecam=0.3)
        cpu = preset(
            network="pyramid",
            base_channels=16,
            d_steps=1,
            discriminator_learning_rate=4e-4,
            batch_size=32,
            steps=12_000,
        )
        paper = preset(
            network="resnet",
            generator_channels=256,
            latent_dim=128,
            decay=1.0,
            ema_decay=0.0,
            steps=50_000,
        )

        def resolve(self) -> None:
            super().resolve()
            self.default("generator_channels", self.base_channels)

    gan_loss = losses.HINGE

    def generator_settings(self) -> dict[str, Any]:
        return {"channels": self.config.generator_channels}

    def discriminator_settings(self) -> dict[str, Any]:
        return {"norm": "none", "spectral": True}
