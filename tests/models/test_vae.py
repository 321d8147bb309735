from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.models.vae import VAE
from tfgan2.nn import losses

SMALL = {"image_shape": (8, 8, 1), "base_channels": 8, "latent_dim": 3}


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32)


def test_bernoulli_is_the_cross_entropy_of_probabilities() -> None:
    model = VAE(**SMALL)
    made = model.decoder(model.draw_latents(4))
    chance = 1 / (1 + np.exp(-made["logits"].numpy().astype(np.float64)))
    np.testing.assert_allclose(made["image"], 2 * chance - 1, atol=1e-6)
    target = (images(4) + 1) / 2
    each = -(target * np.log(chance) + (1 - target) * np.log(1 - chance))
    expected = each.sum(axis=(1, 2, 3)).mean()
    assert float(model._negative_log_likelihood(images(4), made)) == pytest.approx(
        expected, rel=1e-5
    )


def test_gaussian_is_the_density_with_a_learned_variance() -> None:
    model = VAE(**SMALL, likelihood="gaussian")
    model.log_variance.assign(math.log(0.3))
    made = model.decoder(model.draw_latents(4))
    distance = (images(4) - made["image"].numpy()).astype(np.float64)
    each = distance**2 / (2 * 0.3) + 0.5 * math.log(2 * math.pi * 0.3)
    expected = each.sum(axis=(1, 2, 3)).mean()
    assert float(model._negative_log_likelihood(images(4), made)) == pytest.approx(
        expected, rel=1e-5
    )
    model.compile()
    before = float(model.log_variance)
    model.train_step(images(4))
    assert float(model.log_variance) != before


def test_loss_is_the_bound_with_beta() -> None:
    model = VAE(**SMALL, beta=4.0)
    model.compile()
    found = model.encoder(images(8), training=True)
    divergence = float(losses.kl_divergence(found["mean"], found["log_var"]))
    metrics = {key: float(value) for key, value in model.train_step(images(8)).items()}
    assert metrics["kl_loss"] == pytest.approx(divergence, rel=1e-4)
    expected = metrics["reconstruction_loss"] + 4 * metrics["kl_loss"]
    assert metrics["loss"] == pytest.approx(expected, rel=1e-5)


def test_it_learns_to_reconstruct() -> None:
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


def test_views() -> None:
    assert list(VAE(**SMALL).views(None)) == []
    views = VAE((8, 8, 1), base_channels=8, latent_dim=2).views(images(20))
    assert views["manifold"].images.shape == (400, 8, 8, 1)
    assert views["reconstructions"].images.shape == (32, 8, 8, 1)  # 16 of them, two rows of each
    np.testing.assert_array_equal(views["reconstructions"].images[:8], images(20)[:8])
    np.testing.assert_array_equal(views["reconstructions"].images[16:24], images(20)[8:16])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"likelihood": "poisson"}, "likelihood must be one of bernoulli, gaussian"),
        ({"beta": -1.0}, "beta must be at least 0"),
        ({"optimizer": "adm"}, "optimizer must be one of adam"),
        ({"network": "unet"}, "network must be one of"),
        ({"base_channels": 0}, "base_channels must be at least 1"),
    ],
)
def test_impossible_values(more: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        VAE(**{**SMALL, **more})
