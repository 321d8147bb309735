"""DRAGAN: a gradient penalty around the data."""

from __future__ import annotations

import pytest
from helpers import SMALL_GAN, image_batch, layer_kinds

from tfgan2.models import DRAGAN
from tfgan2.models.regularizers import Samples
from tfgan2.nn import losses, penalties


def test_loss_has_the_penalty_and_discriminator_no_batch_norm() -> None:
    model = DRAGAN(**SMALL_GAN, penalty_weight=3.0)
    assert "BatchNormalization" not in layer_kinds(model.discriminator)
    real, fake = Samples(image_batch(8)), Samples(image_batch(8, seed=1))
    loss, metrics = model.discriminator_objective(real, fake, "test")
    plain = losses.minimax_discriminator_loss(model.logits(real), model.logits(fake))
    penalty = penalties.dragan_penalty(
        lambda x: model.discriminator(x), real.images, seed=model.noise_seed("test: penalty")
    )
    assert float(metrics["gradient_penalty"]) == pytest.approx(float(penalty), rel=1e-4)
    assert float(loss) == pytest.approx(float(plain) + 3 * float(penalty), rel=1e-4)
