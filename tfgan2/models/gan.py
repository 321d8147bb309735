"""GAN: generative adversarial nets, the first of them."""

from __future__ import annotations

from tfgan2.hyperparameters import option, preset
from tfgan2.images import is_points
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.regularizers import LabelSmoothing
from tfgan2.nn import losses


class GAN(LatentGAN):
    """The first GAN, fully connected, Goodfellow et al. 2014 (arXiv:1406.2661).

    The discriminator minimizes -log D(x) - log(1 - D(G(z))) in `d_steps` updates, each on fresh
    samples. The generator minimizes log(1 - D(G(z))), which the paper calls minimax and whose
    gradient vanishes while D wins, or the paper's remedy -log D(G(z)).

    The paper's networks have maxout and sigmoid units. Here they have batch norm, ReLU and
    LeakyReLU, and Adam in place of momentum, as later papers found to train.
    """

    class Config(LabelSmoothing.Config, LatentGAN.Config):
        network: str = "mlp"
        dropout: float = option(
            None, "fraction of the discriminator's features to drop; none: 0.3, for points 0"
        )
        loss: str = option(
            "non_saturating",
            "the generator's loss: -log D(G(z)), or minimax: log(1 - D(G(z)))",
            choices=("non_saturating", "minimax"),
        )

        few = preset(base_channels=256)
        cpu = preset(base_channels=512, steps=40_000)

        def resolve(self) -> None:
            super().resolve()
            self.default("dropout", 0.0 if is_points(self.image_shape) else 0.3)

    gan_loss = losses.NON_SATURATING

    def build_networks(self) -> None:
        if self.config.loss == "minimax":
            self.gan_loss = losses.MINIMAX
        super().build_networks()
