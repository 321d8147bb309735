"""ReACGAN: its objectives."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.models import ReACGAN
from tfgan2.models.regularizers import Samples
from tfgan2.nn.class_losses import data_to_data_cross_entropy


def samples(count: int, seed: int) -> Samples:
    images = np.random.default_rng(seed).uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32)
    return Samples(tf.constant(images), tf.constant(np.arange(count) % 3, tf.int32))


@pytest.mark.parametrize("packing", [1, 2])
def test_objectives_by_hand(packing: int) -> None:
    model = ReACGAN(
        (8, 8, 1), base_channels=4, num_classes=3, embedding=5, class_weight=0.3, packing=packing
    )
    real, fake = (model.discriminator_inputs(samples(8, seed), "test") for seed in (0, 1))
    loss, metrics = model.discriminator_objective(real, fake, "test")
    on_real, on_fake = model.logits(real), model.logits(fake)
    assert on_real["embedding"].shape == on_real["proxy"].shape == (8 // packing, packing, 5)
    for name in ("embedding", "proxy"):
        np.testing.assert_allclose(np.linalg.norm(on_real[name], axis=-1), 1.0, atol=1e-5)

    def class_loss(outputs: dict[str, tf.Tensor], labels: tf.Tensor) -> float:
        f, v = (tf.reshape(outputs[name], (8, 5)) for name in ("embedding", "proxy"))
        return float(data_to_data_cross_entropy(f, v, labels, temperature=0.5, margin=0.98))

    hinge = np.mean(np.maximum(0, 1 - on_real["logits"])) + np.mean(
        np.maximum(0, 1 + on_fake["logits"])
    )
    expected = class_loss(on_real, real.labels)
    assert float(metrics["real_class_loss"]) == pytest.approx(expected, abs=1e-5)
    assert float(loss) == pytest.approx(hinge + 0.3 * expected, abs=1e-4)
    loss, metrics = model.generator_objective(fake, real)
    on_fake = model.logits(fake)
    expected = class_loss(on_fake, fake.labels)
    assert float(loss) == pytest.approx(-np.mean(on_fake["logits"]) + 0.3 * expected, abs=1e-4)
