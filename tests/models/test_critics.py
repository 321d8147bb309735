"""LSGAN, WGAN, WGAN-GP, SNGAN and BEGAN: what makes them themselves."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgan2
from tfgan2.models.began import BEGAN
from tfgan2.models.lsgan import LSGAN
from tfgan2.models.regularizers import Samples
from tfgan2.models.sngan import SNGAN
from tfgan2.models.wgan import WGAN
from tfgan2.models.wgan_gp import WGANGP
from tfgan2.nn import losses, penalties

SMALL = {"image_shape": (8, 8, 1), "base_channels": 4, "latent_dim": 6}


def images(count: int, seed: int = 0) -> tf.Tensor:
    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32))


def kinds(network: keras.Model) -> set[str]:
    return {type(layer).__name__ for layer in network.layers}


def test_lsgan_losses_and_scores() -> None:
    model = LSGAN(**SMALL)
    real, fake = tf.constant([[2.0], [0.0]]), tf.constant([[1.0], [-1.0]])
    assert float(model.discriminator_loss(real, fake, "test")) == pytest.approx(0.5 * 1 + 0.5 * 1)
    assert float(model.gan_loss.generator(fake)) == pytest.approx(0.5 * (0 + 4) / 2)
    assert float(model.scores(real, fake)["real_score"]) == 1.0  # the mean logit


def test_wgan_clips_every_weight_of_the_critic_only() -> None:
    model = WGAN(**SMALL, clip=0.002)
    model.compile()
    assert isinstance(model.optimizers["discriminator_optimizer"], keras.optimizers.RMSprop)
    assert model.batches_per_step == 5
    model.train_step(images(40))
    assert int(model.optimizers["discriminator_optimizer"].iterations) == 5
    largest = [np.abs(w.numpy()).max() for w in model.discriminator.trainable_variables]
    assert max(largest) <= 0.002 and largest.count(np.float32(0.002)) > 3
    assert max(np.abs(w.numpy()).max() for w in model.generator.trainable_variables) > 0.01


@pytest.mark.parametrize(("norm", "layer"), [("none", None), ("layer", "GroupNormalization")])
def test_wgan_gp_adds_its_penalty_and_has_no_batch_norm(norm: str, layer: str | None) -> None:
    model = WGANGP(**SMALL, critic_norm=norm)
    assert "BatchNormalization" not in kinds(model.discriminator)
    assert layer is None or layer in kinds(model.discriminator)
    real, fake = Samples(images(8)), Samples(images(8, seed=1))
    loss, metrics = model.discriminator_objective(real, fake, "test")
    plain = losses.wasserstein_discriminator_loss(model.logits(real), model.logits(fake))
    penalty = penalties.gradient_penalty(
        lambda x: model.discriminator(x),
        real.images,
        fake.images,
        seed=model.noise_seed("test: penalty"),
    )
    assert float(metrics["gradient_penalty"]) == pytest.approx(float(penalty), rel=1e-4)
    assert float(loss) == pytest.approx(float(plain) + 10 * float(penalty), rel=1e-4)


@pytest.mark.parametrize("network", ["dcgan", "resnet", "mlp", "tutorial"])
def test_sngan_kernels_have_spectral_norm_one(network: str) -> None:
    model = SNGAN(**SMALL, network=network)
    wrapped = [x for x in model.discriminator.layers if "SpectralNorm" in type(x).__name__]
    plain = [x for x in model.discriminator.layers if hasattr(x, "kernel") and x not in wrapped]
    assert len(wrapped) >= 3 and not plain
    for _ in range(60):
        model.discriminator(images(2), training=True)
    for layer in wrapped:
        matrix = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1])
        assert np.linalg.norm(matrix, 2) == pytest.approx(1.0, abs=0.03)


def test_sngan_network_decides_what_the_paper_sets() -> None:
    cnn, resnet = SNGAN(**SMALL), SNGAN(**SMALL, network="resnet")
    assert (cnn.config.d_steps, cnn.config.beta_1, cnn.config.beta_2) == (1, 0.5, 0.999)
    assert (resnet.config.d_steps, resnet.config.beta_1, resnet.config.beta_2) == (5, 0.0, 0.9)
    assert SNGAN(**SMALL, network="resnet", d_steps=2).config.d_steps == 2
    assert "BatchNormalization" not in kinds(resnet.discriminator)
    assert float(cnn.gan_loss.generator(tf.constant([3.0, 1.0]))) == -2.0


def test_began_keeps_its_equilibrium() -> None:
    model = BEGAN(**SMALL, gamma=0.7, lambda_k=0.5)
    model.compile()
    model.k.assign(0.1)
    metrics = {key: float(value) for key, value in model.train_step(images(8)).items()}
    balance = 0.7 * metrics["real_error"] - metrics["generator_loss"]
    assert metrics["k"] == pytest.approx(np.clip(0.1 + 0.5 * balance, 0, 1), abs=1e-6)
    assert float(model.k) == pytest.approx(metrics["k"])
    expected = metrics["real_error"] + abs(balance)
    assert metrics["convergence"] == pytest.approx(expected, rel=1e-5)
    assert any("/k" in name for name in model.state())  # so that a resume finds it


def test_began_losses_by_hand() -> None:
    model = BEGAN(**SMALL, network="began")  # without batch norm, so training changes nothing
    model.k.assign(0.25)
    real, fake = Samples(images(4)), Samples(images(4, seed=1))

    def error(samples: Samples) -> float:
        return float(np.mean(np.abs(samples.images - model.discriminator(samples.images))))

    loss, metrics = model.discriminator_objective(real, fake, "test")
    assert float(loss) == pytest.approx(error(real) - 0.25 * error(fake), rel=1e-4)
    assert float(metrics["real_error"]) == pytest.approx(error(real), rel=1e-5)
    loss, _ = model.generator_objective(fake, real)
    assert float(loss) == pytest.approx(error(fake), rel=1e-5)


@pytest.mark.parametrize("size", [8, 13, 28, 32, 64])
def test_began_and_resnet_make_any_size(size: int) -> None:
    for model in (
        BEGAN((size, size, 3), base_channels=2, network="began"),
        SNGAN((size, size, 3), base_channels=2, network="resnet"),
    ):
        made = model.generate(model.draw_latents(2))
        assert made.shape == (2, size, size, 3)
        assert model.discriminator(made).shape[0] == 2


@pytest.mark.slow
def test_wgan_gp_in_float16_keeps_its_loss_scale() -> None:
    dataset = tfgan2.load_dataset("digits")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = WGANGP(dataset.image_shape, base_channels=16, seed=1)
        model.compile()
    finally:
        keras.config.set_dtype_policy("float32")
    step = tf.function(model.train_step, jit_compile=True, autograph=False)
    batches = iter(dataset.batches(32 * model.batches_per_step))
    scales = []
    for _ in range(500):
        metrics = step(next(batches))
        assert all(np.isfinite(float(value)) for value in metrics.values())
        scales.append(float(model.optimizers["discriminator_optimizer"].dynamic_scale))
    # It starts at 32768, is halved by a step whose gradients overflow, and settles.
    assert min(scales) >= 512 and min(scales[-100:]) == max(scales[-100:])
    assert float(model.optimizers["generator_optimizer"].dynamic_scale) >= 512
    assert float(metrics["gradient_penalty"]) < 0.3  # the penalty does its work
    made = model.generate(model.draw_latents(64))
    assert np.isfinite(made).all() and made.std() > 0.3
    print(f"loss scale {min(scales):g} to {max(scales):g}, {metrics}")
