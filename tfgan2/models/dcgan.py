"""DCGAN: unsupervised representation learning with deep convolutional GANs."""

from __future__ import annotations

from tfgan2.hyperparameters import option, preset
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.regularizers import LabelSmoothing
from tfgan2.nn import losses


class DCGAN(LatentGAN):
    """The deep convolutional GAN, Radford et al. 2015 (arXiv:1511.06434).

    For any size from 8x8 to 256x256 and any number of channels. The discriminator minimizes
    -log D(x) - log(1 - D(G(z))), the generator -log D(G(z)).

    `network=dcgan` is the paper's design: strided convolutions, batch norm, ReLU in the generator
    and LeakyReLU in the discriminator, Adam with a learning rate of 2e-4 and beta_1 of 0.5.
    `network=tutorial` is the design for CIFAR-10 frogs in Chollet's "Deep Learning with Python":
    5x5 convolutions with LeakyReLU, dropout in the discriminator, RMSprop with clipvalue 1, noisy
    labels (the book moves targets by U(0, 0.05), on average as 2.5 % of flipped labels do). The
    defaults of some options depend on the design.

    The paper has no augmentation. It is a default here because without it long runs collapse:
    docs/flavours.md has figures.
    """

    class Config(LabelSmoothing.Config, LatentGAN.Config):
        latent_dim: int = option(100, tutorial=32)
        dropout: float = option(0.0, tutorial=0.4)
        generator_optimizer: str = option("adam", tutorial="rmsprop")
        discriminator_optimizer: str = option("adam", tutorial="rmsprop")
        generator_learning_rate: float = option(2e-4, tutorial=4e-4)
        discriminator_learning_rate: float = option(2e-4, tutorial=8e-4)
        clipvalue: float = option(0.0, tutorial=1.0)
        label_noise: float = option(0.0, tutorial=0.025)
        augment: str = option("color,translation", tutorial="none")

        paper = preset(
            base_channels=128, max_channels=1024, batch_size=128, ema_decay=0.0, augment="none"
        )

    gan_loss = losses.NON_SATURATING
