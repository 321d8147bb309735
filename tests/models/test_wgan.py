"""WGAN: a critic with clipped weights."""

from __future__ import annotations

import keras
import numpy as np
from helpers import SMALL_GAN, image_batch

from tfgan2.models import WGAN


def test_clips_the_weights_of_the_critic_alone() -> None:
    model = WGAN(**SMALL_GAN, clip=0.002)
    model.compile()
    assert isinstance(model.optimizers["discriminator_optimizer"], keras.optimizers.RMSprop)
    assert model.batches_per_step == 5
    model.train_step(image_batch(40))
    assert int(model.optimizers["discriminator_optimizer"].iterations) == 5
    largest = [np.abs(w.numpy()).max() for w in model.discriminator.trainable_variables]
    assert max(largest) <= 0.002 and largest.count(np.float32(0.002)) > 3
    assert max(np.abs(w.numpy()).max() for w in model.generator.trainable_variables) > 0.01
