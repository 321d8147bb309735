"""DCGAN: unsupervised representation learning with deep convolutional GANs."""

from __future__ import annotations

from typing import Any, Literal

from tfgan2.models.base import AdversarialModel, check_choice, check_range
from tfgan2.networks import dcgan as networks

# Where the two designs differ, an argument's default is None and stands for these.
_DESIGNS: dict[str, dict[str, Any]] = {
    "strided": {
        "latent_dim": 100,
        "width": 64,
        "generator_optimizer": "adam",
        "discriminator_optimizer": "adam",
        "generator_learning_rate": 2e-4,
        "discriminator_learning_rate": 2e-4,
        "clipvalue": 0.0,
        "label_noise": 0.0,
    },
    "tutorial": {
        "latent_dim": 32,
        "width": 128,
        "generator_optimizer": "rmsprop",
        "discriminator_optimizer": "rmsprop",
        "generator_learning_rate": 4e-4,
        "discriminator_learning_rate": 8e-4,
        "clipvalue": 1.0,
        "label_noise": 0.05,
    },
}


class DCGAN(AdversarialModel):
    """The convolutional GAN of Radford, Metz and Chintala 2015 (arXiv:1511.06434).

    For any square size from 8x8 to 128x128 and any number of channels. The discriminator minimises
    -log D(x) - log(1 - D(G(z))), the generator -log D(G(z)).

    Two designs of the literature. "strided", the paper's: strided convolutions, batch norm, ReLU in
    the generator and LeakyReLU in the discriminator, Adam with a learning rate of 2e-4 and beta_1
    of 0.5. "tutorial", the one for CIFAR-10 frogs in Chollet's "Deep Learning with Python": 5x5
    convolutions with LeakyReLU, dropout in the discriminator, RMSprop with clipvalue 1.0, noisy
    labels. Arguments that the two set differently are None by default: the design's own value.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        design: Literal["strided", "tutorial"] = "strided",
        latent_dim: int | None = None,
        width: int | None = None,
        max_width: int = 512,
        dropout: float = 0.4,
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
            design: strided (the paper's) or tutorial (Chollet's for CIFAR-10 frogs).
            latent_dim: length of the latents; strided 100, tutorial 32.
            width: channels at the images' end of both networks; strided 64, tutorial 128.
            max_width: most channels that a layer of the strided design gets.
            dropout: share dropped before the discriminator's last layer; tutorial design only.
            generator_optimizer: adam, adamw, rmsprop or sgd; strided adam, tutorial rmsprop.
            discriminator_optimizer: likewise.
            generator_learning_rate: strided 2e-4, tutorial 4e-4.
            discriminator_learning_rate: strided 2e-4, tutorial 8e-4.
            clipvalue: clip gradients to [-clipvalue, clipvalue]; strided 0 (no), tutorial 1.
            label_noise: targets are moved towards each other by U(0, label_noise), per sample;
                strided 0, tutorial 0.05.
            **shared: see `AdversarialModel`.

        Raises:
            UserError: an image shape or a value that is not possible.
        """
        check_choice("design", design, _DESIGNS)
        own: dict[str, Any] = {
            "latent_dim": latent_dim,
            "width": width,
            "generator_optimizer": generator_optimizer,
            "discriminator_optimizer": discriminator_optimizer,
            "generator_learning_rate": generator_learning_rate,
            "discriminator_learning_rate": discriminator_learning_rate,
            "clipvalue": clipvalue,
            "label_noise": label_noise,
        }
        own = {k: _DESIGNS[design][k] if value is None else value for k, value in own.items()}
        chosen_width: int = own.pop("width")
        super().__init__(image_shape, **own, **shared)
        self.width = chosen_width
        networks.check_square(self.image_shape)
        check_range("width", self.width, 1)
        check_range("max_width", max_width, 1)
        check_range("dropout", dropout, 0.0, 0.99)
        self.design = design
        self.max_width = max_width
        self.dropout = dropout
        shape, latents, seed = self.image_shape, self.latent_dim, 2 * self.seed
        if design == "strided":
            self.set_networks(
                networks.strided_generator(shape, latents, self.width, max_width, seed),
                networks.strided_discriminator(shape, self.width, max_width, seed + 1),
            )
        else:
            self.set_networks(
                networks.tutorial_generator(shape, latents, self.width, seed),
                networks.tutorial_discriminator(shape, self.width, dropout, seed + 1),
            )
