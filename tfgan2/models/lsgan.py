"""LSGAN: least squares generative adversarial networks."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfgan2.models.architecture import ArchitectureModel
from tfgan2.nn import losses


class LSGAN(ArchitectureModel):
    """The GAN of Mao et al. 2016 (arXiv:1611.04076), with a = 0 and b = c = 1.

    The discriminator minimises (D(x) - 1)^2 / 2 + D(G(z))^2 / 2, the generator
    (D(G(z)) - 1)^2 / 2: samples on the right side of the border but far from the data still get a
    gradient.
    """

    logits_are_log_odds = False

    def __init__(self, image_shape: tuple[int, int, int], **shared: Any) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            **shared: see `ArchitectureModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, **shared)
        self.set_networks(*self.standard_networks())

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        return losses.least_squares_generator_loss(fake_logits)

    def discriminator_loss(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return losses.least_squares_discriminator_loss(real_logits, fake_logits)
