"""BEGAN: an autoencoder as discriminator."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, image_batch

from tfgan2.keras_model import guard
from tfgan2.models import BEGAN
from tfgan2.models.regularizers import Samples


def test_k_moves_towards_the_equilibrium() -> None:
    model = BEGAN(**SMALL_GAN, gamma=0.7, lambda_k=0.5)
    model.compile()
    model.k.assign(0.1)
    metrics = {key: float(value) for key, value in model.train_step(image_batch(8)).items()}
    balance = 0.7 * metrics["real_error"] - metrics["generator_loss"]
    assert metrics["k"] == pytest.approx(np.clip(0.1 + 0.5 * balance, 0, 1), abs=1e-6)
    assert float(model.k) == pytest.approx(metrics["k"])
    expected = metrics["real_error"] + abs(balance)
    assert metrics["convergence"] == pytest.approx(expected, rel=1e-5)
    assert any("/k" in name for name in model.state())  # so that a resume finds it


def test_k_stays_in_a_step_of_weight_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    model = BEGAN(**SMALL_GAN, lambda_k=0.5)
    model.compile()
    model.k.assign(0.5)
    monkeypatch.setattr(guard._local, "weight", tf.constant(0.0), raising=False)
    model.train_step(image_batch(8))
    assert float(model.k) == 0.5


def test_losses_by_hand() -> None:
    model = BEGAN(**SMALL_GAN, network="began")  # without batch norm, so training changes nothing
    model.k.assign(0.25)
    real, fake = Samples(image_batch(4)), Samples(image_batch(4, seed=1))

    def error(samples: Samples) -> float:
        return float(np.mean(np.abs(samples.images - model.discriminator(samples.images))))

    loss, metrics = model.discriminator_objective(real, fake, "test")
    assert float(loss) == pytest.approx(error(real) - 0.25 * error(fake), rel=1e-4)
    assert float(metrics["real_error"]) == pytest.approx(error(real), rel=1e-5)
    loss, _ = model.generator_objective(fake, real)
    assert float(loss) == pytest.approx(error(fake), rel=1e-5)
