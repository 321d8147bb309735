"""CycleGAN: images from unpaired images."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from helpers import make_small, tensors_for

from tfgan2.errors import UserError
from tfgan2.models import CycleGAN


def test_pool_returns_earlier_fakes() -> None:
    model = make_small("cyclegan", pool_size=4)
    returned = []
    for step in range(30):
        model.step.assign(step)
        fakes = tf.fill((1, 16, 16, 1), float(step + 1))
        returned.append(int(model.pooled(0, fakes)[0, 0, 0, 0]) - 1)
    assert returned[:4] == [0, 1, 2, 3]  # unchanged while the pool fills
    later = [(step, value) for step, value in enumerate(returned) if step >= 4]
    old = [value for step, value in later if value != step]
    assert 6 <= len(old) <= 20  # half of them
    assert all(value < step for step, value in later if value != step)
    assert len(set(old)) == len(old)  # each is returned once
    kept = {int(value) - 1 for value in model.pools[0].numpy()[:, 0, 0, 0]}
    assert len(kept) == 4 and not kept & set(old)


def test_the_pool_has_no_gaps_when_the_size_of_batches_changes() -> None:
    model = make_small("cyclegan", pool_size=8)
    for step, count in enumerate((1, 1, 3, 2)):
        model.step.assign(step)
        model.pooled(0, tf.ones((count, 16, 16, 1)))
    assert model.pools[0].numpy()[:, 0, 0, 0].tolist() == [1.0] * 7 + [0.0]


def test_the_least_size_is_not_too_small() -> None:
    spec = make_small("cyclegan").exports()["a_to_b"]
    least = spec.facts["least"]
    assert least < 16  # that of training
    images = tf.zeros((1, least, least, 1))
    assert spec.resized(None, None)(images).shape == images.shape


def test_learning_rate_decays_in_the_second_half() -> None:
    model = make_small("cyclegan")
    model.plan(100)
    optimizer = model.default_optimizer("generator_optimizer")
    rates = []
    for step in (0, 50, 75, 100, 120):
        optimizer.iterations.assign(step)
        rates.append(round(float(optimizer.learning_rate) / 2e-4, 4))
    assert rates == [1, 1, 0.5, 0, 0]


@pytest.mark.slow
def test_the_pool_needs_batches_of_a_known_size() -> None:
    model = make_small("cyclegan")
    model.compile()
    parts = tensors_for(model, 2)
    signature = tuple(tf.TensorSpec((None, *part.shape[1:])) for part in parts)
    with pytest.raises(UserError, match="give drop_remainder=True"):
        tf.function(model.train_step, input_signature=[signature])(parts)


def test_channels_of_the_generators_are_limited() -> None:
    models = make_small("cyclegan"), make_small("cyclegan", max_channels=12)
    widths = [
        [x.filters for x in model.generator.layers if hasattr(x, "filters")] for model in models
    ]
    assert widths[0] == [8, 16, 32, 32, 32, 16, 8, 1]
    assert widths[1] == [8, 12, 12, 12, 12, 12, 8, 1]


def test_generator_loss_is_the_sum_of_its_terms() -> None:
    model = make_small("cyclegan", cycle_weight=3.0, identity_weight=0.25)
    model.compile()
    metrics = model.train_step(tensors_for(model, 2))
    expected = (
        metrics["adversarial_loss"] + 3 * metrics["cycle_loss"] + 0.75 * metrics["identity_loss"]
    )
    assert float(metrics["generator_loss"]) == pytest.approx(float(expected), rel=1e-5)
    other = CycleGAN((16, 16, 3), input_channels=1, base_channels=2, blocks=1, pool_size=0)
    other.compile()
    images = np.zeros((2, 16, 16, 3), np.float32)
    assert "identity_loss" not in other.train_step((images[..., :1], images))
    assert list(other.exports()) == ["a_to_b", "b_to_a"]
