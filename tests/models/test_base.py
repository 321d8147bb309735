"""The contract of all models: configuration, randomness, Keras' own `fit`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, image_batch, make_small, tensors_for

import tfgan2
from tfgan2.models import DCGAN


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fit_of_keras(jit_compile: bool) -> None:
    model = tfgan2.create("dcgan", **SMALL_GAN, d_steps=2)
    assert isinstance(model, tf.keras.Model)
    model.compile(
        generator_optimizer=keras.optimizers.Adam(1e-3),
        discriminator_optimizer="sgd",
        jit_compile=jit_compile,
    )
    before = [w.numpy() for w in model.weights]
    dataset = tf.data.Dataset.from_tensor_slices(image_batch(32)).batch(16)
    history = model.fit(dataset, epochs=2, verbose=0)
    assert set(history.history) >= {"generator_loss", "discriminator_loss"}
    assert np.isfinite(history.history["generator_loss"]).all()
    assert int(model.step) == 4
    assert int(model.optimizers["generator_optimizer"].iterations) == 4
    assert int(model.optimizers["discriminator_optimizer"].iterations) == 8
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.weights, strict=True)]
    assert all(changed)


def test_fit_with_labels_that_the_model_ignores() -> None:
    model = DCGAN(**SMALL_GAN)
    model.compile()
    labelled = tf.data.Dataset.from_tensor_slices((image_batch(8), np.arange(8))).batch(8)
    model.fit(labelled, verbose=0)
    assert int(model.step) == 1


def test_config_has_resolved_values_and_rebuilds_the_model() -> None:
    model = DCGAN(**SMALL_GAN, network="tutorial", seed=4)
    config = model.get_config()
    assert config["generator_optimizer"] == "rmsprop" and config["clipvalue"] == 1.0
    again = DCGAN.from_config(config)
    assert again.get_config() == config
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)  # weights depend on the seed alone
    other = DCGAN.from_config({**config, "seed": 5})
    kernels = [w for w in model.generator.weights if "kernel" in w.path]
    others = [w for w in other.generator.weights if "kernel" in w.path]
    assert all(not np.array_equal(a, b) for a, b in zip(kernels, others, strict=True))


def test_noise_depends_on_seed_step_and_stream() -> None:
    model = DCGAN(**SMALL_GAN, seed=1)
    first = model.random_latents(4, "a").numpy()
    np.testing.assert_array_equal(first, model.random_latents(4, "a"))
    assert not np.array_equal(first, model.random_latents(4, "b"))
    model.step.assign_add(1)
    assert not np.array_equal(first, model.random_latents(4, "a"))
    assert not np.array_equal(first, DCGAN(**SMALL_GAN, seed=2).random_latents(4, "a"))


@pytest.mark.parametrize(
    ("name", "options", "follows"),
    [
        ("student", {}, True),
        ("r3gan", {}, True),
        ("cyclegan", {}, True),
        ("cyclegan", {"decay": 0.0}, False),
        ("wgan-gp", {"decay": 1.0}, True),
        ("gan", {}, False),
    ],
)
def test_what_follows_the_plan_is_compiled_again(
    name: str, options: dict[str, object], follows: bool
) -> None:
    model = make_small(name, **options)
    model.plan(4)
    model.train_function = compiled = object()
    model.plan(4)
    assert model.train_function is compiled
    model.plan(6)
    assert model.train_function is (None if follows else compiled)


@pytest.mark.slow
def test_fit_plans_its_steps() -> None:
    model = make_small("cyclegan")
    model.compile()
    batches = tf.data.Dataset.from_tensors(tensors_for(model, 2)).repeat(3)
    model.fit(batches, epochs=2, verbose=0)
    rate = model.optimizers["generator_optimizer"].learning_rate
    assert model.planned_steps == 6 and float(rate) == 0
    model.fit(batches.repeat(), steps_per_epoch=2, verbose=0)
    assert model.planned_steps == 8 and int(model.step) == 8
    larger = make_small("srgan", pretrain_steps=None)
    larger.compile()
    history = larger.fit(tf.data.Dataset.from_tensors(tensors_for(larger)).repeat(4), verbose=0)
    assert larger.config.pretrain_steps == 2 and "real_score" in history.history
