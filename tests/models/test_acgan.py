"""ACGAN: a discriminator that also predicts the class."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, image_batch

from tfgan2.models import ACGAN
from tfgan2.models.regularizers import Samples
from tfgan2.nn import losses


def test_losses_by_hand() -> None:
    weights = {"class_weight": 2.0, "fake_class_weight": 0.5, "generator_class_weight": 3.0}
    model = ACGAN(**SMALL_GAN, num_classes=3, **weights)
    real = Samples(image_batch(6), tf.constant([0, 1, 2, 0, 1, 2]))
    fake = Samples(image_batch(6, seed=1), tf.constant([2, 1, 0, 2, 1, 0]))
    on_real, on_fake = (model.discriminator(x.images, training=True) for x in (real, fake))

    def entropy(logits: tf.Tensor, labels: tf.Tensor) -> float:
        probabilities = tf.nn.softmax(logits).numpy()
        return float(-np.mean(np.log(probabilities[np.arange(6), labels.numpy()])))

    loss, metrics = model.discriminator_objective(real, fake, "test")
    source = losses.minimax_discriminator_loss(on_real["logits"], on_fake["logits"])
    real_class = entropy(on_real["classes"], real.labels)
    fake_class = entropy(on_fake["classes"], fake.labels)
    assert float(loss) == pytest.approx(float(source) + 2 * real_class + 0.5 * fake_class, rel=1e-5)
    assert float(metrics["real_class_loss"]) == pytest.approx(real_class, rel=1e-5)
    loss, _ = model.generator_objective(fake, real)
    expected = float(losses.non_saturating_generator_loss(on_fake["logits"])) + 3 * fake_class
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert model.discriminator.inputs[0].shape[1:] == (8, 8, 1)  # no label
