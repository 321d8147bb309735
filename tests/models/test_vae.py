"""VAE: a Bernoulli or Gaussian likelihood, and the KL term."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.models import VAE
from tfgan2.nn import losses

SMALL = {"image_shape": (8, 8, 1), "base_channels": 8, "latent_dim": 3}


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32)


def decoded(model: VAE, images: np.ndarray) -> dict[str, np.ndarray]:
    """The decoder's outputs in the next training step."""
    code = model.encoder(images, training=True)
    noise = tf.random.stateless_normal(code["mean"].shape, model.noise_seed("latents"))
    outputs = model.decoder(code["mean"] + tf.exp(0.5 * code["log_var"]) * noise, training=True)
    return {name: value.numpy().astype(np.float64) for name, value in outputs.items()}


def test_bernoulli_likelihood_is_the_cross_entropy_of_probabilities() -> None:
    model = VAE(**SMALL)
    model.compile()
    outputs = decoded(model, images(4))
    probability = 1 / (1 + np.exp(-outputs["logits"]))
    np.testing.assert_allclose(outputs["image"], 2 * probability - 1, atol=1e-6)
    target = (images(4) + 1) / 2
    each = -(target * np.log(probability) + (1 - target) * np.log(1 - probability))
    expected = each.sum(axis=(1, 2, 3)).mean()
    metrics = model.train_step(images(4))
    assert float(metrics["reconstruction_loss"]) == pytest.approx(expected, rel=1e-5)


def test_gaussian_likelihood_has_a_learned_variance() -> None:
    model = VAE(**SMALL, likelihood="gaussian")
    model.log_variance.assign(math.log(0.3))
    model.compile()
    distance = images(4) - decoded(model, images(4))["image"]
    each = distance**2 / (2 * 0.3) + 0.5 * math.log(2 * math.pi * 0.3)
    expected = each.sum(axis=(1, 2, 3)).mean()
    before = float(model.log_variance)
    metrics = model.train_step(images(4))
    assert float(metrics["reconstruction_loss"]) == pytest.approx(expected, rel=1e-5)
    assert float(model.log_variance) != before


def test_loss_is_the_sum_of_its_terms() -> None:
    model = VAE(**SMALL, beta=4.0)
    model.compile()
    code = model.encoder(images(8), training=True)
    divergence = float(losses.kl_divergence(code["mean"], code["log_var"]))
    metrics = {key: float(value) for key, value in model.train_step(images(8)).items()}
    assert metrics["kl_loss"] == pytest.approx(divergence, rel=1e-4)
    expected = metrics["reconstruction_loss"] + 4 * metrics["kl_loss"]
    assert metrics["loss"] == pytest.approx(expected, rel=1e-5)


def test_learns_to_reconstruct() -> None:
    model = VAE((8, 8, 1), base_channels=64, learning_rate=1e-2)
    model.compile()
    step = tf.function(model.train_step)
    patterns = np.sign(images(4))
    first = float(step(patterns)["loss"])
    for _ in range(200):
        last = float(step(patterns)["loss"])
    assert last < first / 2
    view = model.views(patterns)["reconstructions"]
    assert view.columns == 4
    right = np.sign(view.images[4:]) == patterns
    assert right.mean() > 0.95


def test_views_are_reconstructions_and_a_manifold() -> None:
    assert list(VAE(**SMALL).views(None)) == []
    views = VAE((8, 8, 1), base_channels=8, latent_dim=2).views(images(20))
    assert views["manifold"].images.shape == (400, 8, 8, 1)
    assert views["reconstructions"].images.shape == (
        32,
        8,
        8,
        1,
    )
    np.testing.assert_array_equal(views["reconstructions"].images[:8], images(20)[:8])
    np.testing.assert_array_equal(views["reconstructions"].images[16:24], images(20)[8:16])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"likelihood": "poisson"}, "unknown likelihood 'poisson'"),
        ({"beta": -1.0}, "beta must be at least 0"),
        ({"optimizer": "adm"}, "unknown optimizer 'adm': did you mean 'adam'"),
        ({"network": "unet"}, "unknown network 'unet'"),
        ({"base_channels": 0}, "base_channels must be at least 1"),
    ],
)
def test_values_out_of_range_are_refused(more: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        VAE(**{**SMALL, **more})
