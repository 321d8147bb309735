"""ACGAN: conditional image synthesis with auxiliary classifier GANs."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfgan2.models.adversarial import Metrics, Samples
from tfgan2.models.base import check_range
from tfgan2.models.cross_entropy import CrossEntropyModel


class ACGAN(CrossEntropyModel):
    """A GAN whose discriminator also names the class, Odena et al. 2016 (arXiv:1610.09585).

    The discriminator sees images without labels. It minimises the cross entropy of the source, real
    or generated, plus that of the class, on real and on generated images; the generator, which is
    given the class, -log D(G(z, c)) plus the cross entropy of the class it was to make.
    """

    labels_are_classes = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        num_classes: int,
        class_weight: float = 1.0,
        dropout: float = 0.5,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            num_classes: of the dataset.
            class_weight: of the class losses, both players; the paper's is 1.
            dropout: share of the discriminator's features dropped before its last layers.
            **shared: see `CrossEntropyModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, dropout=dropout, **shared)
        check_range("num_classes", num_classes, 1)
        check_range("class_weight", class_weight, 0.0)
        self.num_classes = self.num_labels = num_classes
        self.class_weight = class_weight
        heads = {"classes": num_classes * self.packing}
        self.set_networks(*self.standard_networks(heads=heads))

    def _class_loss(self, class_logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Cross entropy and accuracy of the classes, float32 scalars."""
        class_logits = tf.reshape(class_logits, (-1, self.num_classes))
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, class_logits)
        hits = tf.argmax(class_logits, axis=-1, output_type=tf.int32) == labels
        return tf.reduce_mean(entropy), tf.reduce_mean(tf.cast(hits, tf.float32))

    def discriminator_objective(
        self, real: Samples, fake: Samples, stream: str
    ) -> tuple[tf.Tensor, Metrics]:
        seen, made = (self.discriminator(x.images, training=True) for x in (real, fake))
        source = self.discriminator_loss(*self.mixed_up(seen["logits"], made["logits"], stream))
        real_class, accuracy = self._class_loss(seen["classes"], real.labels)
        fake_class, _ = self._class_loss(made["classes"], fake.labels)
        metrics = {"real_class_loss": real_class, "real_class_accuracy": accuracy}
        loss = source + self.class_weight * (real_class + fake_class)
        return loss, {**self.scores(seen["logits"], made["logits"]), **metrics}

    def generator_objective(self, fake: Samples, real: Samples) -> tuple[tf.Tensor, Metrics]:
        made = self.discriminator(fake.images, training=True)
        fake_class, accuracy = self._class_loss(made["classes"], fake.labels)
        loss = self.generator_loss(made["logits"]) + self.class_weight * fake_class
        return loss, {"fake_class_loss": fake_class, "fake_class_accuracy": accuracy}
