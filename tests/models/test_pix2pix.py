"""Pix2Pix: images from paired images."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import make_small, tensors_for

from tfgan2.errors import UserError
from tfgan2.models import Pix2Pix
from tfgan2.models.regularizers import Samples


def test_networks_are_those_of_the_paper() -> None:
    model = Pix2Pix((256, 256, 3))
    convolutions = [x for x in model.generator.layers if isinstance(x, keras.layers.Conv2D)]
    assert [x.filters for x in convolutions[:8]] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert sum(isinstance(x, keras.layers.Dropout) for x in model.generator.layers) == 3
    assert model.config.patch == 70
    # 54.4 and 2.8 million weights in the authors' code.
    assert 54e6 < model.generator.count_params() < 55e6
    assert 2.7e6 < model.discriminator.count_params() < 2.8e6


def test_pairs_are_cropped_and_mirrored_alike() -> None:
    model = make_small("pix2pix")
    images = tf.constant(np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)), tf.float32)
    real = model.real_samples((images, -images))
    np.testing.assert_allclose(real.images, -real.inputs, atol=1e-6)
    assert np.abs(real.inputs - images).max() > 0.1
    plain = make_small("pix2pix", jitter=False, mirror=False).real_samples((images, -images))
    np.testing.assert_array_equal(plain.inputs, images)
    augmented = make_small("pix2pix", augment="translation,cutout").discriminator_inputs(
        Samples(-images, inputs=images), "x"
    )
    np.testing.assert_allclose(augmented.images, -augmented.inputs, atol=1e-6)


def test_colors_of_a_pair_change_alike() -> None:
    rng = np.random.default_rng(0)
    one, other = (tf.constant(rng.uniform(-1, 1, (8, 16, 16, 3)), tf.float32) for _ in range(2))
    model = make_small("pix2pix", (16, 16, 3), augment="color,translation")
    alike = model.discriminator_inputs(Samples(one, inputs=one), "x")
    np.testing.assert_array_equal(alike.images, alike.inputs)
    assert np.abs(alike.images - one).max() > 0.1
    # The colors of one image do not depend on the other.
    mixed = model.discriminator_inputs(Samples(one, inputs=other), "x")
    np.testing.assert_array_equal(mixed.images, alike.images)


def test_generator_loss_is_the_sum_of_its_terms() -> None:
    model = make_small("pix2pix", adversarial_weight=2.0, l1_weight=7.0)
    model.compile()
    metrics = model.train_step(tensors_for(model))
    expected = 2 * metrics["adversarial_loss"] + 7 * metrics["l1_loss"]
    assert float(metrics["generator_loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_sizes_that_are_no_multiples_of_4_are_refused() -> None:
    for size in (6, 9, 30):
        with pytest.raises(UserError, match="multiples of 4"):
            Pix2Pix((size, size, 1), base_channels=2)
