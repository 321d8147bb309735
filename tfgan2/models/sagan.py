"""SAGAN: self-attention generative adversarial networks."""

from __future__ import annotations

from typing import Any

from tfgan2.hyperparameters import option, preset
from tfgan2.models.latent_gan import ConditionalGAN
from tfgan2.models.options import Attention
from tfgan2.nn import losses


class SAGAN(ConditionalGAN):
    """Self-attention in both networks, Zhang et al. 2019 (arXiv:1805.08318).

    At one size each pixel takes from all others what attention finds, times a gain that begins at
    0. Generator and discriminator have spectral norm, and the discriminator learns four times as
    fast (Heusel et al. 2017), with one update each. It minimizes the hinge loss,
    mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))), the generator -mean D(G(z)). Classes scale and
    shift the batch norms of the generator's blocks, and are projected in the discriminator (Miyato
    and Koyama 2018).

    `network=dcgan` and `--preset cpu` are small enough for 2 cores. `--preset paper` has the
    networks of the paper at 128x128 pixels: `network=pyramid` with 64 to 1,024 channels.
    """

    class Config(Attention, ConditionalGAN.Config):
        network: str = option(choices=("dcgan", "resnet", "pyramid", "biggan", "mlp"))
        generator_learning_rate: float = 1e-4
        discriminator_learning_rate: float = 4e-4
        beta_1: float = 0.0
        beta_2: float = 0.9

        few = preset(lecam=0.3)
        cpu = preset(network="pyramid", base_channels=16, batch_size=32, steps=12_000)
        paper = preset(
            network="pyramid",
            base_channels=64,
            max_channels=1024,
            latent_dim=128,
            ema_decay=0.0,
            batch_size=256,
            steps=1_000_000,
        )

    gan_loss = losses.HINGE

    def generator_settings(self) -> dict[str, Any]:
        return {"spectral": True, "conditioning": "norm"}

    def discriminator_settings(self) -> dict[str, Any]:
        return {"norm": "none", "spectral": True, "num_labels": self.num_labels, "projected": True}
