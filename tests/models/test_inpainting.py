"""Inpainting: filling masked parts of images."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import make_small

from tfgan2.models.regularizers import Samples
from tfgan2.nn import masks


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_visible_pixels_are_unchanged_and_hidden_ones_ignored(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = make_small("inpainting", mask="free-form")
    finally:
        keras.config.set_dtype_policy("float32")
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)).astype(np.float32)
    hidden = masks.draw("free-form", 4, (16, 16), 0.5, tf.constant([1, 2])).numpy()
    inputs = {"input": images, "mask": hidden}
    filled = model.run_generator(model.sampling_generator, inputs)
    np.testing.assert_array_equal(filled[hidden < 0.5], images[hidden < 0.5])
    assert (filled[hidden > 0.5] != images[hidden > 0.5]).mean() > 0.9
    # The hidden pixels of the input have no effect.
    inputs["input"] = np.where(hidden > 0.5, 0.123, images).astype(np.float32)
    again = model.run_generator(model.sampling_generator, inputs)
    np.testing.assert_array_equal(filled, again)


def test_augmentation_moves_masks_with_images() -> None:
    model = make_small("inpainting", augment="color,translation,cutout")
    mask = np.zeros((8, 16, 16, 1), np.float32)
    mask[:, 4:9, 6:12] = 1
    augmented = model.discriminator_inputs(
        Samples(tf.constant(mask), inputs=tf.constant(mask)), "x"
    )
    plain = make_small("inpainting", augment="translation")
    moved = plain.discriminator_inputs(Samples(tf.constant(mask), inputs=tf.constant(mask)), "x")
    np.testing.assert_array_equal(moved.images, moved.inputs)
    np.testing.assert_array_equal(augmented.inputs, moved.inputs)  # no color, no cutout
    assert np.abs(augmented.inputs - mask).max() == 1


def test_reconstruction_loss_is_over_hidden_pixels() -> None:
    model = make_small("inpainting", reconstruction="l1", reconstruction_weight=1.0)
    real = tf.zeros((2, 16, 16, 1))
    mask = np.zeros((2, 16, 16, 1), np.float32)
    mask[:, 4:8, 4:8] = 1
    fake = tf.constant(np.where(mask > 0, 0.5, 9.0), tf.float32)
    loss, terms = model.content_objective(
        Samples(fake, inputs=mask), Samples(real, inputs=tf.constant(mask))
    )
    assert float(loss) == float(terms["reconstruction_loss"]) == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(16, 48, 1), (48, 16, 1)])
def test_the_local_discriminator_has_a_size_for_each_axis(shape: tuple[int, int, int]) -> None:
    model = make_small("inpainting", shape)
    height, width, _ = shape
    assert [each.shape[1:] for each in model.discriminator.inputs] == [
        shape,
        (height * 3 // 4, width * 3 // 4, 1),
    ]
    flat = [x for x in model.discriminator.layers if isinstance(x, keras.layers.Flatten)]
    assert all(max(layer.input.shape[1:3]) == 3 for layer in flat)
    real = Samples(tf.zeros((2, *shape)), inputs=model.draw_masks(2, tf.constant([0, 1])))
    assert model.logits(real).shape == (2, 1)
