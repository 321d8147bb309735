"""Regularizers that follow the discriminator's logits, for few images.

Their state is in variables of the model. It moves once after each update of the discriminator, by
means over all micro-batches and replicas.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfgan2.distributed import replicas
from tfgan2.errors import UserError
from tfgan2.hyperparameters import Hyperparameters, option
from tfgan2.images import is_points
from tfgan2.keras_model.guard import weighted
from tfgan2.models.options import ModelConfig
from tfgan2.models.regularizers import Seed
from tfgan2.nn.ada import INTERVAL, adaptive_augment, adjusted
from tfgan2.nn.losses import GANLoss, lecam_regularization

_LECAM_DECAY = 0.99
Metrics = dict[str, tf.Tensor]


def _variable(model: keras.Model, name: str) -> keras.Variable:
    return model.add_weight(name=name, initializer="zeros", dtype="float32", trainable=False)


class LeCam:
    """Pulls logits to the average of the other kind (Tseng et al. 2021, arXiv:2104.03310).

    The averages are those before the update of the discriminator. Before there are any, nothing is
    added; at first they are plain means, which do not start at 0.
    """

    class Config(Hyperparameters):
        lecam: float = option(0.0, "weight of LeCam regularization; 0: none (Tseng 2021)")

    def __init__(self, config: Config, model: keras.Model) -> None:
        self.weight = config.lecam
        if self.weight:
            self.averages = [_variable(model, f"lecam_{kind}") for kind in ("real", "fake")]
            self.updates = _variable(model, "lecam_updates")

    def __call__(
        self, loss: tf.Tensor, real_logits: tf.Tensor, fake_logits: tf.Tensor
    ) -> tf.Tensor:
        """The discriminator's loss with the regularization; a float32 scalar."""
        if not self.weight:
            return loss
        averages = [tf.convert_to_tensor(average.value) for average in self.averages]
        distance = lecam_regularization(real_logits, fake_logits, *averages)
        return loss + tf.where(self.updates.value > 0, self.weight * distance, 0.0)

    def metrics(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> Metrics:
        """The means that `update` needs."""
        if not self.weight:
            return {}
        means = (tf.reduce_mean(tf.cast(each, tf.float32)) for each in (real_logits, fake_logits))
        return dict(zip(("real_logit", "fake_logit"), means, strict=True))

    def update(self, metrics: Metrics) -> None:
        """Moves the averages, by the metrics of an update."""
        if not self.weight:
            return
        past = self.updates.value
        decay = tf.minimum(_LECAM_DECAY, past / (past + 1.0))
        means = replicas.mean([metrics["real_logit"], metrics["fake_logit"]])
        for average, mean in zip(self.averages, means, strict=True):
            average.assign(average.value + weighted((1.0 - decay) * (mean - average.value)))
        self.updates.assign(past + weighted(tf.constant(1.0)))


class AdaptiveAugmentation:
    """Augmentation whose probability p follows the logits of real images (Karras et al. 2020).

    r_t is the mean sign of the logits less the boundary of the loss; with a relativistic loss, that
    of their differences from those of generated images. Every 4 updates p rises if the mean
    r_t is above the target, which shows overfitting, and falls if it is below.
    """

    class Config(ModelConfig):
        ada: float = option(
            0.0,
            "target of the mean sign of D(real) that sets how often D's inputs are augmented, "
            "mostly 0.6; 0: never (ADA, Karras 2020)",
            at_most=1,
        )
        ada_images: int = option(
            500_000, "real images in which ADA's probability can go from 0 to 1", at_least=1
        )

        def resolve(self) -> None:
            super().resolve()
            if self.ada and is_points(self.image_shape):
                raise UserError(
                    "ada augments images, not points: leave it out, or the preset that sets it"
                )

    def __init__(self, config: Config, model: keras.Model, loss: GANLoss) -> None:
        self.target, self.images, self.loss = config.ada, config.ada_images, loss
        if not self.target:
            return
        if loss.boundary is None and not loss.relativistic:
            raise UserError(
                "ada needs logits whose sign means real or generated, which this flavour's loss "
                "does not give: use augment=color,translation"
            )
        self.p, self.signs, self.updates = (
            _variable(model, name) for name in ("ada_p", "ada_signs", "ada_updates")
        )

    def __call__(self, images: tf.Tensor, stream: str, seed: Seed) -> tf.Tensor:
        if not self.target:
            return images
        return adaptive_augment(images, self.p.value, seed(f"{stream}: ada"))

    def metrics(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> Metrics:
        """r_t of an update, which `update` needs."""
        if not self.target:
            return {}
        other = fake_logits if self.loss.boundary is None else self.loss.boundary
        return {"ada_rt": tf.reduce_mean(tf.cast(tf.sign(real_logits - other), tf.float32))}

    def update(self, metrics: Metrics, images: int | tf.Tensor) -> Metrics:
        """Moves p, by the metrics of an update on so many real images; returns it, too."""
        if not self.target:
            return {}
        signs = self.signs.value + weighted(replicas.mean(metrics["ada_rt"]))
        updates = self.updates.value + weighted(tf.constant(1.0))
        due = updates >= INTERVAL
        share = tf.cast(images, tf.float32) * (INTERVAL / self.images)
        moved = adjusted(self.p.value, signs / tf.maximum(updates, 1.0), self.target, share)
        self.p.assign(tf.where(due, moved, self.p.value))
        self.signs.assign(tf.where(due, 0.0, signs))
        self.updates.assign(tf.where(due, 0.0, updates))
        return {"ada_p": tf.convert_to_tensor(self.p.value)}
