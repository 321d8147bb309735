"""DCGAN: unsupervised representation learning with deep convolutional GANs."""

from __future__ import annotations

from typing import Any, Literal

from tfgan2.models.cross_entropy import CrossEntropyModel

# What the well-known tutorial sets differently from the paper.
_TUTORIAL: dict[str, Any] = {
    "latent_dim": 32,
    "generator_optimizer": "rmsprop",
    "discriminator_optimizer": "rmsprop",
    "generator_learning_rate": 4e-4,
    "discriminator_learning_rate": 8e-4,
    "clipvalue": 1.0,
    "label_noise": 0.025,
    "dropout": 0.4,
}
_PAPER: dict[str, Any] = {
    "latent_dim": 100,
    "generator_optimizer": "adam",
    "discriminator_optimizer": "adam",
    "generator_learning_rate": 2e-4,
    "discriminator_learning_rate": 2e-4,
    "clipvalue": 0.0,
    "label_noise": 0.0,
    "dropout": 0.0,
}


class DCGAN(CrossEntropyModel):
    """The convolutional GAN of Radford, Metz and Chintala 2015 (arXiv:1511.06434).

    For any square size from 8x8 to 128x128 and any number of channels. The discriminator minimises
    -log D(x) - log(1 - D(G(z))), the generator -log D(G(z)).

    The paper's design, `network=dcgan`: strided convolutions, batch norm, ReLU in the generator and
    LeakyReLU in the discriminator, Adam with a learning rate of 2e-4 and beta_1 of 0.5. With
    `network=tutorial` that for CIFAR-10 frogs in Chollet's "Deep Learning with Python": 5x5
    convolutions with LeakyReLU, dropout in the discriminator, RMSprop with clipvalue 1.0, noisy
    labels: the book moves targets by U(0, 0.05), which on average is a share of 0.025 told wrong.
    Arguments that the two set differently are None by default: the design's own value.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        network: Literal["dcgan", "tutorial", "mlp", "resnet", "began"] = "dcgan",
        latent_dim: int | None = None,
        dropout: float | None = None,
        generator_optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] | None = None,
        discriminator_optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] | None = None,
        generator_learning_rate: float | None = None,
        discriminator_learning_rate: float | None = None,
        clipvalue: float | None = None,
        label_noise: float | None = None,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (size, size, channels), size from 8 to 128.
            network: dcgan (the paper's), tutorial (Chollet's for CIFAR-10 frogs), or another
                flavour's.
            latent_dim: length of the latents; 100, tutorial 32.
            dropout: share of the discriminator's last features dropped; 0, tutorial 0.4.
            generator_optimizer: adam, adamw, rmsprop or sgd; adam, tutorial rmsprop.
            discriminator_optimizer: likewise.
            generator_learning_rate: 2e-4, tutorial 4e-4.
            discriminator_learning_rate: 2e-4, tutorial 8e-4.
            clipvalue: clip gradients to [-clipvalue, clipvalue]; 0 (no), tutorial 1.
            label_noise: share of the samples that the discriminator is told wrong; 0, tutorial
                0.025.
            **shared: see `CrossEntropyModel`.

        Raises:
            UserError: an image shape or a value that is not possible.
        """
        own: dict[str, Any] = {
            "latent_dim": latent_dim,
            "dropout": dropout,
            "generator_optimizer": generator_optimizer,
            "discriminator_optimizer": discriminator_optimizer,
            "generator_learning_rate": generator_learning_rate,
            "discriminator_learning_rate": discriminator_learning_rate,
            "clipvalue": clipvalue,
            "label_noise": label_noise,
        }
        design = _TUTORIAL if network == "tutorial" else _PAPER
        own = {key: design[key] if value is None else value for key, value in own.items()}
        super().__init__(image_shape, network=network, **own, **shared)
        self.set_networks(*self.standard_networks())
