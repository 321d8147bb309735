"""SNGAN: spectral normalization for generative adversarial networks."""

from __future__ import annotations

from typing import Any, Literal

import tensorflow as tf

from tfgan2.models.architecture import ArchitectureModel
from tfgan2.nn import losses

# What the paper sets for its plain CNN (table 3) and for its ResNet (table 4).
_CNN: dict[str, Any] = {"d_steps": 1, "beta_1": 0.5, "beta_2": 0.999}
_RESNET: dict[str, Any] = {"d_steps": 5, "beta_1": 0.0, "beta_2": 0.9}


class SNGAN(ArchitectureModel):
    """The GAN of Miyato et al. 2018 (arXiv:1802.05957).

    The kernels of all layers of the discriminator are held to a spectral norm of 1 by one power
    iteration per pass. It minimises the hinge loss, mean max(0, 1 - D(x)) + mean max(0, 1 +
    D(G(z))), the generator -mean D(G(z)).

    With a plain CNN (`network=dcgan`), which 2 cores can train, or the paper's ResNet
    (`network=resnet`), which has five discriminator steps to one and wants a GPU. Arguments that
    the two set differently are None by default.
    """

    logits_are_log_odds = False

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        network: Literal["dcgan", "resnet", "mlp", "tutorial", "began"] = "dcgan",
        d_steps: int | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            network: dcgan (a plain CNN), resnet (the paper's ResNet), or another flavour's.
            d_steps: discriminator updates per generator update; 1, resnet 5.
            beta_1: decay of Adam's first moment, both players; 0.5, resnet 0.
            beta_2: decay of Adam's second moment, both players; 0.999, resnet 0.9.
            **shared: see `ArchitectureModel`.

        Raises:
            UserError: a value that is not possible.
        """
        own: dict[str, Any] = {"d_steps": d_steps, "beta_1": beta_1, "beta_2": beta_2}
        design = _RESNET if network == "resnet" else _CNN
        own = {key: design[key] if value is None else value for key, value in own.items()}
        super().__init__(image_shape, network=network, **own, **shared)
        self.set_networks(*self.standard_networks(norm="none", use_spectral=True))

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        return losses.hinge_generator_loss(fake_logits)

    def discriminator_loss(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return losses.hinge_discriminator_loss(real_logits, fake_logits)
