"""ReACGAN: rebooting ACGAN."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfgan2.distributed import replicas
from tfgan2.hyperparameters import option, preset
from tfgan2.models.base import Objective
from tfgan2.models.biggan import BigGAN
from tfgan2.models.regularizers import Samples
from tfgan2.nn.class_losses import data_to_data_cross_entropy


class ReACGAN(BigGAN):
    """Classes by similarity of unit vectors, Kang et al. 2021 (arXiv:2111.01118).

    The discriminator embeds images and classes as vectors of length 1. Beside the hinge losses,
    the discriminator minimizes `class_weight` times the data-to-data cross-entropy of real images,
    the generator that of generated ones: an image shall be near its class and not near images of
    other classes, see `tfgan2.nn.class_losses`. Similarities beyond the margins have no gradient,
    which keeps easily classified images from dominating, as in `acgan`. The networks are those of
    `biggan`, without projection.

    Packed samples have an embedding each.
    """

    class Config(BigGAN.Config):
        class_weight: float = option(0.5, "weight of the class losses")
        temperature: float = option(0.5, "temperature of the class losses", at_least=1e-3)
        margin: float = option(
            0.98, "similarity of an image and its class above which no gradient pulls", at_most=1
        )
        embedding: int = option(512, "size of the embeddings of images and classes", at_least=1)
        orthogonal: float = 0.0
        generator_learning_rate: float = 2.8e-4
        discriminator_learning_rate: float = 2.8e-4

        cpu = preset(embedding=128, steps=12_000)
        paper = preset(
            generator_learning_rate=2.8e-4,
            beta_1=0.5,
            d_steps=5,
            batch_size=128,
            steps=100_000,
        )

    def discriminator_settings(self) -> dict[str, Any]:
        embedded = {"num_labels": self.num_labels, "embedding": self.config.embedding}
        return {"norm": "none", "spectral": True, **embedded}

    def class_loss(self, outputs: dict[str, tf.Tensor], labels: tf.Tensor) -> tf.Tensor:
        """The class loss of all samples, on all replicas and micro-batches the same."""
        size = outputs["proxy"].shape[-1]
        parts = (tf.reshape(outputs[name], (-1, size)) for name in ("embedding", "proxy"))
        everything = [replicas.gathered(part) for part in (*parts, labels)]
        config = self.config
        return data_to_data_cross_entropy(
            *everything, temperature=config.temperature, margin=config.margin
        )

    def discriminator_objective(self, real: Samples, fake: Samples, stream: str) -> Objective:
        on_real, on_fake = self.logits(real), self.logits(fake)
        loss = self.discriminator_loss(on_real["logits"], on_fake["logits"], stream)
        class_loss = self.class_loss(on_real, real.labels)
        scores = self.scores(on_real["logits"], on_fake["logits"])
        loss += self.config.class_weight * class_loss
        return loss, {**scores, "real_class_loss": class_loss}

    def generator_objective(self, fake: Samples, real: Samples) -> Objective:
        on_fake = self.logits(fake)
        class_loss = self.class_loss(on_fake, fake.labels)
        loss = self.gan_loss.generator(on_fake["logits"])
        return loss + self.config.class_weight * class_loss, {"fake_class_loss": class_loss}
