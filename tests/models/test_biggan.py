"""BigGAN: statistics of the averaged generator, orthogonal regularization."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.inputs.truncation import truncated
from tfgan2.models import SAGAN, BigGAN, ProjectionGAN
from tfgan2.models.regularizers import Samples
from tfgan2.nn.layers import SpectralNormalization
from tfgan2.nn.orthogonal import orthogonal_penalty
from tfgan2.nn.statistics import batch_norms, recompute_statistics

SHAPE = (16, 16, 1)


def small(**options: object) -> BigGAN:
    settings = {"base_channels": 4, "num_classes": 3, "d_steps": 1, "class_embedding": 6}
    return BigGAN(SHAPE, **{**settings, **options})


def batch(count: int = 12) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (count, *SHAPE)).astype(np.float32)
    return tf.constant(images), tf.constant(np.arange(count) % 3)


@pytest.mark.slow
def test_the_average_has_statistics_of_its_own_passes() -> None:
    model = small(ema_decay=0.5)
    model.compile()
    step, samples = tf.function(model.train_step), batch()
    for _ in range(60):
        step(samples)
    # Without learning, its statistics come to those of its own passes.
    for optimizer in model.optimizers.values():
        optimizer.learning_rate = 0.0
    for _ in range(60):
        step(samples)
    averages = [norm.moving_mean.numpy() for norm in batch_norms(model.ema_generator)]
    batches = [
        [model.random_latents(12, f"batch {i}"), tf.constant(np.arange(12) % 3)] for i in range(30)
    ]
    recompute_statistics(model.ema_generator, batches)
    for average, norm in zip(averages, batch_norms(model.ema_generator), strict=True):
        standing, deviation = norm.moving_mean.numpy(), norm.moving_variance.numpy() ** 0.5
        assert np.abs((standing - average) / (deviation + 0.1)).max() < 0.5


def test_only_weights_are_averaged() -> None:
    model = small()
    averages = [average.name for average, _ in model.averaged()]
    assert "kernel" in averages and "embeddings" in averages
    assert not {"moving_mean", "moving_variance", "vector_u"} & set(averages)
    trained = [id(v) for name in model.trained_by() for v in model.trained_variables(name)]
    assert not set(trained) & {id(w) for w in model.ema_generator.weights}


def test_orthogonal_regularization() -> None:
    model = small(orthogonal=0.5)
    fake = Samples(tf.zeros((2, *SHAPE)))
    loss, metrics = model.content_objective(fake, fake)
    kernels = [w.value for w in model.generator.trainable_variables if w.name == "kernel"]
    # Two for each norm of the two blocks but the last, three for each block, two more.
    assert len(kernels) == 2 * 4 + 3 * 2 + 2 + 4
    expected = float(orthogonal_penalty(kernels))
    assert float(metrics["orthogonal_penalty"]) == pytest.approx(expected)
    assert float(loss) == pytest.approx(0.5 * expected) and expected >= 0
    loss, metrics = small(orthogonal=0.0).content_objective(fake, fake)
    assert float(loss) == 0.0 and not metrics


def test_spectral_norm_where_the_papers_have_it() -> None:
    settings = {"base_channels": 4, "num_classes": 3}
    for model, has in (
        (ProjectionGAN(SHAPE, **settings), False),
        (SAGAN(SHAPE, **settings), True),
        (SAGAN(SHAPE, network="resnet", **settings), True),
        (small(), True),
    ):
        for network, expected in ((model.generator, has), (model.discriminator, True)):
            plain = [
                layer.name
                for layer in network.layers
                if hasattr(layer, "kernel") and not isinstance(layer, SpectralNormalization)
            ]
            assert (not plain) == expected


@pytest.mark.slow
def test_truncation() -> None:
    model = small()
    model.compile()
    model.train_step(batch())
    latents, labels = model.draw_latents(6), [0, 1, 2] * 2
    statistics = [norm.moving_mean.numpy() for norm in batch_norms(model.ema_generator)]
    images = model.generate(latents, labels, truncation=0.0)
    np.testing.assert_allclose(images[:3], images[3:], atol=1e-5)  # one for each class
    # The statistics are those of truncated latents, and the model keeps its own.
    generator = model.standing_generator(16, 0.5)
    inputs = [truncated(latents, 0.5), np.array(labels)]
    expected = model.run_generator(generator, dict(zip(("z", "label"), inputs, strict=True)))
    images = model.generate(latents, labels, truncation=0.5)
    np.testing.assert_array_equal(images, expected)
    for before, norm in zip(statistics, batch_norms(model.ema_generator), strict=True):
        np.testing.assert_array_equal(norm.moving_mean, before)
    assert np.abs(images - model.generate(inputs[0], labels)).max() > 1e-4


def test_truncation_of_points() -> None:
    model = BigGAN((1, 1, 2), base_channels=4, num_classes=2)
    latents = model.draw_latents(4)
    points = model.generate(latents, truncation=0.5)
    np.testing.assert_allclose(points, model.generate(truncated(latents, 0.5)), atol=1e-6)
