"""WGAN: Wasserstein GAN, and what it shares with those that hold the critic otherwise."""

from __future__ import annotations

from typing import Any, Literal

import tensorflow as tf

from tfgan2.models.architecture import ArchitectureModel
from tfgan2.models.base import check_range
from tfgan2.nn import losses


class CriticModel(ArchitectureModel):
    """The discriminator is a critic f: it minimises mean f(G(z)) - mean f(x), G -mean f(G(z))."""

    logits_are_log_odds = False

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        return losses.wasserstein_generator_loss(fake_logits)

    def discriminator_loss(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return losses.wasserstein_discriminator_loss(real_logits, fake_logits)


class WGAN(CriticModel):
    """The GAN of Arjovsky, Chintala and Bottou 2017 (arXiv:1701.07875).

    A critic f minimises mean f(G(z)) - mean f(x), the generator -mean f(G(z)). So that f stays
    Lipschitz, all its weights are clipped to [-clip, clip] after each of its `d_steps` updates. The
    negated discriminator loss estimates the Wasserstein distance up to a factor.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        clip: float = 0.01,
        d_steps: int = 5,
        generator_optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "rmsprop",
        discriminator_optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "rmsprop",
        generator_learning_rate: float = 5e-5,
        discriminator_learning_rate: float = 5e-5,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            clip: the critic's weights stay in [-clip, clip].
            d_steps: critic updates per generator update, each on fresh real samples.
            generator_optimizer: adam, adamw, rmsprop or sgd.
            discriminator_optimizer: adam, adamw, rmsprop or sgd; the paper warns of momentum.
            generator_learning_rate: of the generator's optimizer.
            discriminator_learning_rate: of the critic's optimizer.
            **shared: see `ArchitectureModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(
            image_shape,
            d_steps=d_steps,
            generator_optimizer=generator_optimizer,
            discriminator_optimizer=discriminator_optimizer,
            generator_learning_rate=generator_learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            **shared,
        )
        check_range("clip", clip, 1e-9)
        self.clip = clip
        self.set_networks(*self.standard_networks())

    def after_discriminator_step(self) -> None:
        for weight in self.discriminator.trainable_variables:
            weight.assign(tf.clip_by_value(weight.value, -self.clip, self.clip))
