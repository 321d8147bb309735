"""SNGAN: spectral normalization and the hinge loss."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, image_batch, layer_kinds

from tfgan2.models import SNGAN, ProjectionGAN


@pytest.mark.parametrize("network", ["dcgan", "resnet", "mlp", "tutorial"])
def test_kernels_have_a_spectral_norm_of_one(network: str) -> None:
    model = SNGAN(**SMALL_GAN, network=network)
    wrapped = [x for x in model.discriminator.layers if "SpectralNorm" in type(x).__name__]
    plain = [x for x in model.discriminator.layers if hasattr(x, "kernel") and x not in wrapped]
    assert len(wrapped) >= 3 and not plain
    for _ in range(60):
        model.discriminator(image_batch(2), training=True)
    for layer in wrapped:
        matrix = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1])
        assert np.linalg.norm(matrix, 2) == pytest.approx(1.0, abs=0.03)


def test_defaults_depend_on_the_network() -> None:
    cnn, resnet = SNGAN(**SMALL_GAN), SNGAN(**SMALL_GAN, network="resnet")
    assert (cnn.config.d_steps, cnn.config.beta_1, cnn.config.beta_2) == (1, 0.5, 0.999)
    assert (resnet.config.d_steps, resnet.config.beta_1, resnet.config.beta_2) == (5, 0.0, 0.9)
    assert SNGAN(**SMALL_GAN, network="resnet", d_steps=2).config.d_steps == 2
    assert "BatchNormalization" not in layer_kinds(resnet.discriminator)
    assert float(cnn.gan_loss.generator(tf.constant([3.0, 1.0]))) == -2.0


def test_the_generator_may_be_wider() -> None:
    plain, wide = SNGAN(**SMALL_GAN), SNGAN(**SMALL_GAN, generator_channels=16)
    assert plain.config.generator_channels == SMALL_GAN["base_channels"]
    assert wide.generator.count_params() > 2 * plain.generator.count_params()
    assert wide.discriminator.count_params() == plain.discriminator.count_params()


@pytest.mark.parametrize(("flavour", "first"), [(SNGAN, 0), (ProjectionGAN, 400_000)])
def test_learning_rates_of_the_paper_decay(flavour: type[SNGAN], first: int) -> None:
    paper = flavour.Config.presets["paper"]
    classes = {"num_classes": 10} if flavour is ProjectionGAN else {}
    model = flavour(**SMALL_GAN, **classes, decay=paper["decay"])
    last = paper["steps"]
    model.plan(last)
    assert model.follows_plan
    optimizer = model.default_optimizer("generator_optimizer")
    for step, rate in ((first, 2e-4), ((first + last) // 2, 1e-4), (last, 0.0)):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-2)
