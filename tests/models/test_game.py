"""The training step of adversarial flavours."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, batch_for, image_batch, make_small, tensors_for

from tfgan2.models import DCGAN


def state_bytes(model: DCGAN) -> list[bytes]:
    return [np.asarray(variable).tobytes() for variable in model.state().values()]


def test_each_discriminator_update_has_fresh_samples() -> None:
    model = DCGAN(**SMALL_GAN, d_steps=3)
    model.compile(run_eagerly=True)
    calls = []
    update = model.update_discriminator
    model.update_discriminator = lambda real, fake: (
        calls.append((real.images, fake.images)),
        update(real, fake),
    )[1]
    images = image_batch(12)
    model.train_step(tf.constant(images))
    np.testing.assert_array_equal(np.concatenate([real for real, _ in calls]), images)
    fakes = [fake.numpy() for _, fake in calls]
    assert not np.array_equal(fakes[0], fakes[1]) and not np.array_equal(fakes[1], fakes[2])


def test_samples_come_from_the_averaged_generator() -> None:
    model = DCGAN(**SMALL_GAN, ema_decay=0.5)
    model.compile()
    before = [w.numpy() for w in model.ema_generator.weights]
    # The decay starts at (1 + 0) / (10 + 0) = 0.1.
    model.train_step(image_batch(8))
    for old, average, value in zip(
        before, model.ema_generator.weights, model.generator.weights, strict=True
    ):
        np.testing.assert_allclose(average, 0.1 * old + 0.9 * value.numpy(), rtol=1e-4, atol=1e-6)
    assert model.sampling_generator is model.ema_generator
    without = DCGAN(**SMALL_GAN, ema_decay=0.0)
    assert without.sampling_generator is without.generator


def test_lookahead_moves_both_networks_back_and_is_saved() -> None:
    model, plain = make_small("gan", lookahead=2, dropout=0.0), make_small("gan", dropout=0.0)
    for each in (model, plain):
        each.compile()
    start = [w.numpy() for w in model.discriminator.trainable_variables]
    for _ in range(2):
        for each in (model, plain):
            each.train_step(batch_for(each))
    for old, ours, fast in zip(
        start,
        model.discriminator.trainable_variables,
        plain.discriminator.trainable_variables,
        strict=True,
    ):
        np.testing.assert_allclose(ours, (old + fast.numpy()) / 2, atol=1e-6)
    slow = [name for name in model.state() if "slow" in name]
    fast = model.generator.trainable_variables + model.discriminator.trainable_variables
    assert len(slow) == len(fast)


def test_same_steps_give_the_same_weights() -> None:
    runs = []
    for _ in range(2):
        model = DCGAN(**SMALL_GAN, network="tutorial", seed=2)
        model.compile()
        for index in range(3):
            model.train_step(image_batch(8, seed=index))
        runs.append(state_bytes(model))
    assert runs[0] == runs[1]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = DCGAN(**SMALL_GAN)
        model.compile()
    finally:
        keras.config.set_dtype_policy("float32")
    scaled = isinstance(
        model.optimizers["discriminator_optimizer"], keras.optimizers.LossScaleOptimizer
    )
    assert scaled == (policy == "mixed_float16")
    assert model.generator.layers[1].compute_dtype == policy.removeprefix("mixed_")
    step = tf.function(model.train_step, jit_compile=True)
    for index in range(3):
        metrics = step(image_batch(8, seed=index))
    assert all(value.dtype == tf.float32 for value in metrics.values())
    assert all(np.isfinite(float(value)) for value in metrics.values())
    images = model.generate(model.draw_latents(3))
    assert images.dtype == np.float32 and np.abs(images).max() <= 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pix2pix", {"l1_loss": 100.0}),
        ("inpainting", {"reconstruction_loss": 0.999}),
        pytest.param("student", {"pixel_loss": 10.0, "feature_loss": 10.0}, marks=pytest.mark.slow),
    ],
)
def test_without_a_weight_there_is_no_game(name: str, content: dict[str, float]) -> None:
    model = make_small(name, adversarial_weight=0.0, d_steps=2)
    assert model.config.d_steps == model.batches_per_step == 1
    model.compile()
    before = model.discriminator.get_weights()
    first = [w.numpy() for w in model.generator.trainable_weights]
    metrics = model.train_step(tensors_for(model))
    assert set(metrics) == {"generator_loss", *content}
    expected = sum(weight * float(metrics[name]) for name, weight in content.items())
    assert float(metrics["generator_loss"]) == pytest.approx(expected, rel=1e-5)
    for one, other in zip(before, model.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(
        np.any(a != b) for a, b in zip(first, model.generator.trainable_weights, strict=True)
    )
    assert int(model.step) == 1 and not int(model.optimizers["discriminator_optimizer"].iterations)
