"""ACGAN: conditional image synthesis with auxiliary classifier GANs."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfgan2.hyperparameters import option, preset
from tfgan2.models.base import Objective
from tfgan2.models.latent_gan import ConditionalGAN
from tfgan2.models.regularizers import LabelSmoothing, Samples
from tfgan2.nn import losses


class ACGAN(ConditionalGAN):
    """A GAN whose discriminator also predicts the class, Odena et al. 2016 (arXiv:1610.09585).

    The discriminator sees images without labels. It minimizes the cross entropy of the source, real
    or generated, plus class_weight times that of the class of real images and fake_class_weight
    times that of generated ones. The generator minimizes -log D(G(z, c)) plus
    generator_class_weight times the cross entropy of its class c. In the paper all weights are 1.
    Here fake_class_weight is 0, so that D's classes are those of real images.

    An embedding of the class multiplies the latents. Joined with them, as a one-hot label is, the
    class alone decides on the image, and all images of a class become alike.
    """

    class Config(LabelSmoothing.Config, ConditionalGAN.Config):
        class_weight: float = option(1.0, "weight of D's class loss on real images")
        fake_class_weight: float = option(0.0, "weight of D's class loss on generated images")
        generator_class_weight: float = option(1.0, "weight of G's class loss")

        paper = preset(
            base_channels=96,
            max_channels=384,
            batch_size=100,
            ema_decay=0.0,
            dropout=0.5,
            fake_class_weight=1.0,
        )

    gan_loss = losses.NON_SATURATING

    def generator_settings(self) -> dict[str, Any]:
        return {"conditioning": "product"}

    def discriminator_settings(self) -> dict[str, Any]:
        return {"heads": {"classes": self.num_labels * self.packing.count}}

    def class_loss(self, class_logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Cross entropy and accuracy of the classes, float32 scalars."""
        class_logits = tf.reshape(class_logits, (-1, self.num_labels))
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, class_logits)
        hits = tf.argmax(class_logits, axis=-1, output_type=tf.int32) == labels
        return tf.reduce_mean(entropy), tf.reduce_mean(tf.cast(hits, tf.float32))

    def discriminator_objective(self, real: Samples, fake: Samples, stream: str) -> Objective:
        on_real, on_fake = self.logits(real), self.logits(fake)
        source = self.discriminator_loss(on_real["logits"], on_fake["logits"], stream)
        real_class, accuracy = self.class_loss(on_real["classes"], real.labels)
        fake_class, _ = self.class_loss(on_fake["classes"], fake.labels)
        metrics = {"real_class_loss": real_class, "real_class_accuracy": accuracy}
        classes = self.config.class_weight * real_class + self.config.fake_class_weight * fake_class
        return source + classes, {**self.scores(on_real["logits"], on_fake["logits"]), **metrics}

    def generator_objective(self, fake: Samples, real: Samples) -> Objective:
        on_fake = self.logits(fake)
        fake_class, accuracy = self.class_loss(on_fake["classes"], fake.labels)
        source = self.gan_loss.generator(on_fake["logits"])
        metrics = {"fake_class_loss": fake_class, "fake_class_accuracy": accuracy}
        return source + self.config.generator_class_weight * fake_class, metrics
