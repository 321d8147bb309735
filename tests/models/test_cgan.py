"""CGAN: networks that know the class."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, image_batch

from tfgan2.models import CGAN
from tfgan2.models.regularizers import Samples


@pytest.mark.parametrize("network", ["mlp", "dcgan", "resnet", "tutorial"])
def test_label_changes_images_and_logits(network: str) -> None:
    model = CGAN(**SMALL_GAN, num_classes=3, network=network, dropout=0.0)
    latents = np.repeat(model.draw_latents(1), 3, axis=0)
    images = model.generate(latents, np.arange(3))
    assert not np.allclose(images[0], images[1]) and not np.allclose(images[1], images[2])
    same = tf.repeat(image_batch(1), 3, axis=0)
    model.discriminator.trainable = False
    logits = model.discriminator([same, tf.constant([[0], [1], [2]])], training=False).numpy()
    assert len(np.unique(logits)) == 3


def test_generated_samples_take_the_labels_of_real_samples() -> None:
    model = CGAN(**SMALL_GAN, num_classes=3)
    labels = tf.constant([2, 0, 1, 1])
    fake = model.fake_samples(Samples(image_batch(4), labels), "test")
    np.testing.assert_array_equal(fake.labels, labels)
    assert model.num_labels == 3 and [x.name for x in model.generator.inputs] == ["z", "label"]
