"""StyleGAN2: penalties, styles, truncation, classes and shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from helpers import image_batch, make_small, tensors_for

from tfgan2.errors import UserError
from tfgan2.models import StyleGAN2
from tfgan2.models.regularizers import Samples
from tfgan2.networks.stylegan2 import doublings

SMALL = {"base_channels": 4, "latent_dim": 6, "max_channels": 8}


def model_for(shape: tuple[int, int, int] = (8, 8, 1), **options: Any) -> StyleGAN2:
    return StyleGAN2(shape, **{**SMALL, **options})


def test_up_to_32_pixels_the_defaults_are_those_for_cifar10() -> None:
    names = ("mapping_layers", "path_length_weight", "style_mixing", "residual", "ema_decay")
    small, large = (dict(model_for((n, n, 3)).config) for n in (32, 64))
    assert [small[name] for name in names] == [2, 0.0, 0.0, False, 0.9999]
    assert [large[name] for name in names] == [8, 2.0, 0.9, True, 0.998]


def test_the_preset_paper_trains_on_100_million_images() -> None:
    """`cifar` of the authors' train.py: 100,000 kimg in batches of 64."""
    assert StyleGAN2.Config.presets["paper"]["steps"] * StyleGAN2.batch_size == 100_000_000


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((4, 4, 3), 0),
        ((8, 8, 1), 1),
        ((28, 28, 1), 2),
        ((32, 48, 3), 3),
        ((16, 64, 3), 2),
        ((256, 256, 3), 6),
    ],
)
def test_shapes_that_a_constant_can_grow_to(shape: tuple[int, int, int], count: int) -> None:
    assert doublings(shape) == count
    model = model_for(shape, base_channels=1, max_channels=2, mapping_layers=1)
    images = model.generate(model.draw_latents(4))
    assert images.shape == (4, *shape) and np.abs(images).max() <= 1.0
    assert model.discriminator(images).shape == (4, 1)


@pytest.mark.parametrize("shape", [(3, 3, 1), (30, 30, 1), (32, 36, 3), (512, 512, 3)])
def test_other_shapes_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(UserError, match=rf"not {shape[0]}x{shape[1]}: give --image-size"):
        model_for(shape)


# --- penalties -----------------------------------------------------------------------------------


def kernel_of(model: StyleGAN2, network: str) -> tf.Variable:
    return getattr(model, network).trainable_variables[0]


@pytest.mark.parametrize("gamma", [None, 3.0])
def test_r1_is_weighed_by_gamma(gamma: float | None) -> None:
    model = model_for(gamma=gamma, minibatch_group=2)
    model.compile(discriminator_optimizer="sgd", generator_optimizer="sgd")
    model.optimizers["discriminator_optimizer"].learning_rate = 1.0
    model.phase = "game + R1"
    real, kernel = image_batch(8), kernel_of(model, "discriminator")

    def penalty() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(real)
            total = tf.reduce_sum(model.logits(Samples(real)))
        gradients = tape.gradient(total, real)
        return tf.reduce_mean(tf.reduce_sum(gradients**2, axis=(1, 2, 3)))

    with tf.GradientTape() as tape:
        expected = penalty()
    weight = 16 * (0.0002 * 64 / 8 if gamma is None else gamma) / 2
    change = -weight * tape.gradient(expected, kernel._value)
    before = kernel.numpy()
    metrics = model.update_for_r1(real)
    assert float(metrics["r1_penalty"]) == pytest.approx(float(expected), rel=1e-4)
    np.testing.assert_allclose(kernel.numpy() - before, change, rtol=1e-3, atol=1e-6)


def test_r1_is_at_the_images_before_augmentation_of_a_whole_pack() -> None:
    model = model_for(augment="color,cutout", packing=2, minibatch_group=2)
    model.compile()
    real = image_batch(8)
    with tf.GradientTape() as tape:
        tape.watch(real)
        total = tf.reduce_sum(model.logits(model.discriminator_inputs(Samples(real), "R1")))
    gradients = tape.gradient(total, real).numpy()
    expected = np.sum(gradients**2) / 4
    metrics = model.update_for_r1(real)
    assert float(metrics["r1_penalty"]) == pytest.approx(expected, rel=1e-4)


def test_lazy_updates_are_counted_against_all_updates_of_the_game() -> None:
    model = model_for(d_steps=3, path_length_weight=2.0)
    model.phase = "game + R1 + path length"
    assert model.lazy_weight("R1") == 48 and model.lazy_weight("path length") == 4
    rates = {name: model.share_of_game(name) for name in model.trained_by()}
    assert rates == {"generator_optimizer": 4 / 5, "discriminator_optimizer": 48 / 49}


def test_path_length_is_compared_with_its_average() -> None:
    model = model_for(path_length_weight=2.0, minibatch_group=2)
    model.compile(discriminator_optimizer="sgd", generator_optimizer="sgd")
    model.path_length.assign(0.5)
    metrics = {k: float(v) for k, v in model.update_for_path_length(image_batch(8)).items()}
    length = metrics["path_length"]
    assert float(model.path_length) == pytest.approx(0.5 + 0.01 * (length - 0.5), abs=1e-6)
    assert metrics["path_length_penalty"] >= (length - 0.5) ** 2 > 0


def test_path_length_is_weighed_as_in_every_step() -> None:
    model = model_for(path_length_weight=3.0, noise="none")
    model.compile(discriminator_optimizer="sgd", generator_optimizer="sgd")
    model.optimizers["generator_optimizer"].learning_rate = 1.0
    model.phase = "game + path length"
    model.path_length.assign(0.5)
    styles = model.random_styles(4, None, "path length")
    seed = model.noise_seed("path length: directions")
    directions = tf.random.stateless_normal((4, 8, 8, 1), seed) / 8.0
    kernel = model.synthesis._constant.image

    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(styles)
            product = tf.reduce_sum(model.images(styles, "path length") * directions)
        squares = tf.reduce_sum(inner.gradient(product, styles) ** 2, axis=2)
        lengths = tf.sqrt(tf.reduce_mean(squares, axis=1))
        penalty = tf.reduce_mean((lengths - 0.5) ** 2)
    change = -4 * 3.0 * outer.gradient(penalty, kernel._value).numpy()
    before = kernel.numpy()
    metrics = model.update_for_path_length(image_batch(8))
    assert float(metrics["path_length_penalty"]) == pytest.approx(float(penalty), rel=1e-4)
    np.testing.assert_allclose(kernel.numpy() - before, change, rtol=1e-3, atol=1e-6)
    assert np.abs(change).max() > 1e-4


def test_gamma_auto_depends_on_the_whole_batch() -> None:
    changes = []
    for accumulate in (1, 2):
        model = model_for(minibatch_group=2, path_length_weight=0.0, noise="none")
        model.compile(
            discriminator_optimizer="sgd", generator_optimizer="sgd", accumulate=accumulate
        )
        model.phase = "game + R1"
        before = kernel_of(model, "discriminator").numpy()
        model.train_step(image_batch(8))
        changes.append(kernel_of(model, "discriminator").numpy() - before)
    np.testing.assert_allclose(*changes, rtol=1e-4, atol=1e-7)


def test_batches_are_whole_groups() -> None:
    model = model_for(minibatch_group=4)
    model.check_batch_size(8, 2)
    with pytest.raises(
        UserError, match="groups of 4 for D: give a --batch-size that is a multiple of 8"
    ):
        model.check_batch_size(12, 2)


# --- styles --------------------------------------------------------------------------------------


def test_some_samples_have_a_second_style_from_some_layer_on() -> None:
    model = model_for((16, 16, 1), style_mixing=0.5)
    depth = model.synthesis.num_styles
    assert depth == 6
    styles = model.random_styles(400, None, "test").numpy()
    changes = (styles[:, 1:] != styles[:, :-1]).any(axis=2)
    assert set(changes.sum(axis=1)) == {0, 1}
    assert changes.any(axis=1).mean() == pytest.approx(0.5, abs=0.1)
    assert changes.any(axis=0).all()  # from each layer on
    plain = model_for((16, 16, 1)).random_styles(4, None, "test").numpy()
    assert (plain == plain[:, :1]).all()


def test_latents_count_by_their_direction() -> None:
    model = model_for()
    latents = model.draw_latents(3)
    np.testing.assert_allclose(model.generate(latents), model.generate(3 * latents), atol=1e-5)


def test_training_has_fresh_noise_and_samples_have_none() -> None:
    for noise, layers in (("fixed", 3), ("mean", 3), ("none", 0)):
        model = model_for(noise=noise)
        assert len(model.synthesis.noise_shapes) == layers
        for variable in model.generator.trainable_variables:
            if variable.name == "strength":
                variable.assign(1.0)
        styles = model.random_styles(2, None, "test")
        one, other = (model.images(styles, stream).numpy() for stream in ("one", "other"))
        assert (np.abs(one - other).max() > 1e-3) == bool(layers)
        latents = model.draw_latents(2)
        np.testing.assert_array_equal(model.generate(latents), model.generate(latents))


def test_truncation_draws_styles_to_their_mean() -> None:
    model = model_for()
    model.compile()
    model.train_step(tensors_for(make_small("stylegan2"))[0])
    latents = model.draw_latents(16)
    spread = [
        float(model.generate(latents, truncation=psi).std(axis=0).mean()) for psi in (1, 0.5, 0)
    ]
    assert spread[0] > spread[1] > spread[2] == pytest.approx(0, abs=1e-6)
    mean = model.sampling_generator.get_layer("mean_style").mean.numpy()
    image = model.sampling_generator.get_layer("synthesis")(mean[None])
    np.testing.assert_allclose(model.generate(latents, truncation=0.0)[:1], image, atol=1e-6)
    with pytest.raises(UserError, match="DCGAN has no truncation, as stylegan2 and biggan have"):
        make_small("dcgan").generate(np.zeros((1, 6)), truncation=0.7)


def test_the_mean_style_follows_the_styles() -> None:
    model = model_for(minibatch_group=2)
    model.compile()
    model.phase = "game"
    model.train_step(image_batch(8))
    styles = model.styles(model.random_latents(8, "mean style"), None).numpy()
    mean = model.generator.get_layer("mean_style").mean.numpy()
    np.testing.assert_allclose(mean, 0.005 * styles.mean(axis=0), atol=1e-6)


# --- classes -------------------------------------------------------------------------------------


def test_classes_are_given_to_both_networks() -> None:
    model = make_small("stylegan2", conditional=True, packing=2)
    assert model.num_labels == 3 and model.label_names(["a", "b", "c"]) == ["a", "b", "c"]
    model.compile()
    metrics = model.train_step(tensors_for(model))
    assert all(math.isfinite(float(value)) for value in metrics.values())
    latents = np.repeat(model.draw_latents(1), 3, axis=0)
    images = model.generate(latents, [0, 1, 2])
    assert np.abs(images[0] - images[1]).max() > 1e-4
    truncated = model.generate(latents, [0, 1, 2], truncation=0.5)
    assert truncated.shape == images.shape
    pairs = [tf.constant([[0, 1]] * 4), tf.constant([[1, 1]] * 4)]
    one, other = (model.discriminator([image_batch(4, shape=(8, 8, 2)), p]) for p in pairs)
    assert np.abs(one - other).max() > 1e-6


def test_classes_need_a_dataset_with_labels() -> None:
    with pytest.raises(UserError, match="conditional=true needs a dataset with labels"):
        model_for(conditional=True)
