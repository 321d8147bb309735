"""LSGAN: least squares."""

from __future__ import annotations

import pytest
import tensorflow as tf
from helpers import SMALL_GAN

from tfgan2.models import LSGAN


def test_losses_and_scores_by_hand() -> None:
    model = LSGAN(**SMALL_GAN)
    real, fake = tf.constant([[2.0], [0.0]]), tf.constant([[1.0], [-1.0]])
    assert float(model.discriminator_loss(real, fake, "test")) == pytest.approx(0.5 * 1 + 0.5 * 1)
    assert float(model.gan_loss.generator(fake)) == pytest.approx(0.5 * (0 + 4) / 2)
    assert float(model.scores(real, fake)["real_score"]) == 1.0  # the mean logit
