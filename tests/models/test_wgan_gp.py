"""WGAN-GP: a critic with a gradient penalty."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, image_batch, layer_kinds

import tfgan2
from tfgan2.errors import UserError
from tfgan2.models import WGANGP
from tfgan2.models.regularizers import Samples
from tfgan2.nn import losses, penalties


@pytest.mark.parametrize(("norm", "layer"), [("none", None), ("layer", "GroupNormalization")])
def test_loss_has_the_penalty_and_critic_no_batch_norm(norm: str, layer: str | None) -> None:
    model = WGANGP(**SMALL_GAN, critic_norm=norm)
    assert "BatchNormalization" not in layer_kinds(model.discriminator)
    assert layer is None or layer in layer_kinds(model.discriminator)
    real, fake = Samples(image_batch(8)), Samples(image_batch(8, seed=1))
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


def test_networks_without_normalization_refuse_one() -> None:
    with pytest.raises(UserError, match="network=r3gan has no normalization: leave critic_norm"):
        WGANGP(**SMALL_GAN, network="r3gan", critic_norm="layer")


def test_learning_rates_of_the_paper_decay_over_all_steps() -> None:
    paper = WGANGP.Config.presets["paper"]
    rates = {name: value for name, value in paper.items() if "rate" in name}
    model = WGANGP(**SMALL_GAN, decay=paper["decay"], **rates)
    model.plan(paper["steps"])
    for name, updates in (("generator_optimizer", 1), ("discriminator_optimizer", 5)):
        optimizer = model.default_optimizer(name)
        for step, rate in ((0, 2e-4), (25_000, 1.5e-4), (100_000, 0.0)):
            optimizer.iterations.assign(updates * step)
            assert float(optimizer.learning_rate) == pytest.approx(rate)


@pytest.mark.slow
def test_loss_scale_stays_high_in_float16() -> None:
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
    images = model.generate(model.draw_latents(64))
    assert np.isfinite(images).all() and images.std() > 0.3
    print(f"loss scale {min(scales):g} to {max(scales):g}, {metrics}")
