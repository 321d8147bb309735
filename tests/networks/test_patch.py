"""The discriminator with a logit for each patch."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.models import Pix2Pix


def receptive_field(model: keras.Model) -> int:
    """Edge of what a logit in the middle depends on."""
    image = tf.Variable(np.random.default_rng(0).normal(size=model.inputs[0].shape[1:])[None])
    rest = [tf.zeros((1, *x.shape[1:])) for x in model.inputs[1:]]
    with tf.GradientTape() as tape:
        logits = model([tf.cast(image, tf.float32), *rest])
        middle = logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]
    touched = np.abs(tape.gradient(middle, image).numpy()[0]).sum(axis=2) > 0
    return int(touched.any(axis=1).sum())


@pytest.mark.parametrize("patch", [16, 34, 70])
def test_receptive_field_of_a_logit(patch: int) -> None:
    model = Pix2Pix((128, 128, 1), patch=patch, base_channels=2, norm="none")
    assert receptive_field(model.discriminator) == patch
