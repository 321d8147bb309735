"""The first GAN."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN

from tfgan2.errors import UserError
from tfgan2.models import GAN
from tfgan2.nn import losses

LOGITS = tf.constant([[-1.0], [0.5], [2.0]])


def test_option_selects_the_generator_loss() -> None:
    default, minimax = GAN(**SMALL_GAN), GAN(**SMALL_GAN, loss="minimax")
    assert float(default.gan_loss.generator(LOGITS)) == pytest.approx(
        float(losses.non_saturating_generator_loss(LOGITS))
    )
    expected = np.mean(np.log(1 - 1 / (1 + np.exp(-LOGITS.numpy()))))
    assert float(minimax.gan_loss.generator(LOGITS)) == pytest.approx(expected, abs=1e-5)
    assert minimax.get_config()["loss"] == "minimax"
    with pytest.raises(UserError, match=r"unknown loss .*: choose from non_saturating, minimax"):
        GAN(**SMALL_GAN, loss="hinge")


def test_networks_are_fully_connected_by_default() -> None:
    for network in GAN(**SMALL_GAN).networks().values():
        assert not any(isinstance(layer, keras.layers.Conv2D) for layer in network.layers)
    model = GAN((6, 10, 3), base_channels=4)  # no convolution: any shape
    assert model.generate(model.draw_latents(1)).shape == (1, 6, 10, 3)
    convolutional = GAN(**SMALL_GAN, network="dcgan").discriminator
    assert any(isinstance(layer, keras.layers.Conv2D) for layer in convolutional.layers)
