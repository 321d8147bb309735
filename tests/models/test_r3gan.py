"""R3GAN: relativistic pairs, R1 and R2, schedules, labels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, image_batch

from tfgan2 import registry
from tfgan2.errors import UserError
from tfgan2.models import R3GAN
from tfgan2.models.r3gan import automatic_gamma
from tfgan2.models.regularizers import Samples
from tfgan2.nn import penalties


def trained(**options: Any) -> R3GAN:
    """A model whose blocks are no longer the identity."""
    model = R3GAN(**{**SMALL_GAN, **options})
    rng = np.random.default_rng(0)
    for weight in model.discriminator.trainable_weights:
        weight.assign(rng.normal(scale=0.3, size=weight.shape))
    return model


def test_objectives_by_hand() -> None:
    model = trained(gamma=3.0, final_gamma=0.5, schedule_steps=10)
    model.step.assign(5)  # half of the schedule
    real, fake = Samples(image_batch(4)), Samples(image_batch(4, seed=1))
    loss, metrics = model.objective_of_samples(real, fake, "test")
    differences = (model.logits(real) - model.logits(fake)).numpy()
    r1, r2 = (
        float(penalties.r1_penalty(model.discriminator, each.images)) for each in (real, fake)
    )
    pairs = np.mean(np.log1p(np.exp(-differences)))
    assert float(metrics["gamma"]) == pytest.approx(2.25)
    assert float(metrics["r1_penalty"]) == pytest.approx(r1, rel=1e-5) and r1 > 1e-3
    assert float(metrics["r2_penalty"]) == pytest.approx(r2, rel=1e-5)
    assert float(loss) == pytest.approx(pairs + 2.25 / 2 * (r1 + r2), rel=1e-5)
    loss, _ = model.generator_objective(fake, real)
    assert float(loss) == pytest.approx(np.mean(np.log1p(np.exp(differences))), rel=1e-5)


def test_augmentation_becomes_more_frequent() -> None:
    model = trained(final_ada_p=0.9, schedule_steps=10)
    real = Samples(image_batch(32))

    def changed(step: int) -> float:
        model.step.assign(step)
        inputs = model.discriminator_inputs(real, "test").images
        return float(np.mean(np.abs(inputs - real.images).max(axis=(1, 2, 3)) > 1e-3))

    assert changed(0) == 0 and 0.5 < changed(3) <= changed(10) == 1
    with pytest.raises(UserError, match="neither ada nor points"):
        trained(final_ada_p=0.9, ada=0.6)


def test_penalties_are_on_images_before_augmentation() -> None:
    model = trained(augment="cutout,color", gamma=1.0)
    real = Samples(image_batch(6))
    _, metrics = model.objective_of_samples(real, real, "test")

    def critic(images: tf.Tensor) -> tf.Tensor:
        inputs = model.discriminator_inputs(Samples(images), "test: real")
        return model.discriminator(inputs.images)

    expected = float(penalties.r1_penalty(critic, real.images))
    augmented = model.discriminator_inputs(real, "test: real").images
    other = float(penalties.r1_penalty(model.discriminator, augmented))
    assert float(metrics["r1_penalty"]) == pytest.approx(expected, rel=1e-5)
    assert abs(expected - other) > 0.01 * other


def test_second_derivative_against_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    # Smooth: differences across the kink of LeakyReLU are no derivatives.
    monkeypatch.setattr(keras.layers.LeakyReLU, "call", lambda self, x: tf.nn.softplus(x))
    model = trained(gamma=300.0, augment="color")
    real, fake = Samples(image_batch(4)), Samples(image_batch(4, seed=1))
    kernels = [w for w in model.discriminator.trainable_weights if len(w.shape) == 4]
    rng = np.random.default_rng(1)
    directions = [rng.normal(size=kernel.shape).astype(np.float32) for kernel in kernels]

    def loss() -> tf.Tensor:
        return model.objective_of_samples(real, fake, "test")[0]

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, [kernel.value for kernel in kernels])
    slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, directions, strict=True))
    ends = []
    for sign in (1, -2):
        for kernel, direction in zip(kernels, directions, strict=True):
            kernel.assign_add(sign * 1e-3 * direction)
        ends.append(float(loss()))
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-3, rel=1e-3)


@pytest.mark.slow
def test_schedules_of_the_optimizers_and_of_the_average() -> None:
    model = R3GAN(**SMALL_GAN, d_steps=2, ema_decay=0.99)
    model.compile()
    model.plan(8)
    generator, discriminator = model.optimizers.values()
    half_life = np.log(0.5) / np.log(0.99)
    for step in range(3):
        half = 0.5 - 0.5 * np.cos(np.pi * step / 8)
        for optimizer in (generator, discriminator):
            assert float(optimizer.learning_rate) == pytest.approx(2e-4 - 1.5e-4 * half, rel=1e-5)
            assert float(optimizer.beta_2) == pytest.approx(0.9 + 0.09 * half, rel=1e-5)
        decay = 0.5 ** (1 / max(half * half_life, 1e-3))
        assert float(model.average_decay()) == pytest.approx(decay, rel=1e-4)
        model.train_step(image_batch(12))
    assert int(discriminator.iterations) == 2 * int(generator.iterations) == 6
    assert generator.beta_1 == 0.0 and generator.epsilon == 1e-8
    model.step.assign(100)
    assert float(model.scheduled(1.0, 0.1)) == pytest.approx(0.1)


def test_the_generator_has_real_samples_of_its_own() -> None:
    model = R3GAN(**SMALL_GAN, d_steps=2)
    parts = model.divided(image_batch(12))
    assert [len(part.images) for part in parts] == [4, 8]
    real, opponents = model.reals_of_both(parts[-1])
    whole = np.concatenate([parts[0].images, real.images, opponents.images])
    np.testing.assert_array_equal(whole, image_batch(12))


@pytest.mark.parametrize(
    ("size", "paper"), [(32, (0.05, 0.5)), (64, (1.0, 2.0)), (256, (150.0, 150.0))]
)
def test_automatic_gamma(size: int, paper: tuple[float, float]) -> None:
    gamma = automatic_gamma((size, size, 3))
    assert all(1 / 3.3 < gamma / value < 3.3 for value in paper)
    assert R3GAN((size, size, 3), base_channels=2, max_channels=2).config.gamma == gamma
    assert registry.parse_settings("r3gan", ["gamma=auto"]) == {"gamma": None}
    assert registry.parse_settings("r3gan", ["gamma=2"]) == {"gamma": 2.0}


def test_classes_on_request_only() -> None:
    assert R3GAN(**SMALL_GAN, num_classes=3).num_labels == 0
    with pytest.raises(UserError, match="conditional=true needs a dataset with labels"):
        R3GAN(**SMALL_GAN, conditional=True)
    model = R3GAN(**SMALL_GAN, conditional=True, num_classes=3, packing=2)
    assert [each.name for each in model.generator.inputs] == ["z", "label"]
    images, labels = image_batch(4), tf.constant([0, 1, 1, 2])
    packed = model.packing(images)
    logits = model.logits(Samples(packed, labels))
    others = model.logits(Samples(packed, tf.constant([2, 2, 0, 0])))
    assert logits.shape == (2, 1) and np.abs(logits - others).min() > 1e-4
    latents = np.repeat(model.draw_latents(1), 3, axis=0)
    one, two, three = model.generate(latents, [0, 1, 2])
    assert np.abs(one - two).max() > 1e-3 and np.abs(two - three).max() > 1e-3
    model.compile()
    metrics = model.train_step((tf.concat([images] * 2, 0), tf.concat([labels] * 2, 0)))
    assert all(np.isfinite(float(value)) for value in metrics.values())


def test_pairs_are_of_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    model = R3GAN(**SMALL_GAN, conditional=True, num_classes=3)
    model.compile()
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    of_discriminator, of_generator = model.objective_of_samples, model.generator_objective

    def discriminator(real: Samples, fake: Samples, stream: str) -> Any:
        pairs.append((real.labels, fake.labels))
        return of_discriminator(real, fake, stream)

    def generator(fake: Samples, real: Samples) -> Any:
        pairs.append((real.labels, fake.labels))
        return of_generator(fake, real)

    monkeypatch.setattr(model, "objective_of_samples", discriminator)
    monkeypatch.setattr(model, "generator_objective", generator)
    model.train_step((image_batch(8), tf.constant([0, 1, 2, 0, 1, 1, 2, 2])))
    assert [list(map(int, real)) for real, _ in pairs] == [[0, 1, 2, 0], [1, 1, 2, 2]]
    for real, fake in pairs:
        np.testing.assert_array_equal(real, fake)


def test_penalties_of_packs_are_those_of_their_whole_gradient() -> None:
    model = trained(packing=2)
    real = Samples(image_batch(4))
    _, metrics = model.objective_of_samples(real, real, "test")
    expected = float(penalties.r1_penalty(model.discriminator, model.packing(real.images)))
    assert float(metrics["r1_penalty"]) == pytest.approx(expected, rel=1e-5)


def test_projection_adds_the_product_with_the_embedded_class() -> None:
    model = R3GAN(**SMALL_GAN, conditional=True, num_classes=3)
    features = model.discriminator.get_layer("logits").kernel.shape[0]
    embedding = next(w for w in model.discriminator.weights if w.shape == (3, features))
    images = image_batch(2)

    def logits(label: int) -> np.ndarray:
        return model.discriminator([images, tf.fill((2, 1), label)]).numpy()

    with_class, of_class = logits(1), embedding.numpy()[1].copy()
    embedding.assign(np.zeros(embedding.shape))
    without = logits(1)
    embedding.assign(np.tile(of_class, (3, 1)))
    np.testing.assert_allclose(logits(0), with_class, atol=1e-6)
    embedding.assign(np.tile(2 * of_class, (3, 1)))
    np.testing.assert_allclose(logits(0) - without, 2 * (with_class - without), atol=1e-5)
