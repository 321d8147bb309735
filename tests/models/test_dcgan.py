from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgan2
from tfgan2.errors import UserError
from tfgan2.models.dcgan import DCGAN

SMALL = {"image_shape": (8, 8, 1), "base_channels": 4, "latent_dim": 6}


def batch(count: int, shape: tuple[int, int, int] = (8, 8, 1), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)


def hashable(model: DCGAN) -> list[bytes]:
    return [np.asarray(variable).tobytes() for variable in model.state().values()]


@pytest.mark.parametrize("network", ["dcgan", "tutorial"])
@pytest.mark.parametrize("size", [8, 9, 13, 16, 17, 28, 31, 32, 33, 48, 64, 100, 127, 128])
def test_any_square_size(network: str, size: int) -> None:
    model = DCGAN((size, size, 3), network=network, base_channels=2, max_channels=8)
    made = model.generate(model.draw_latents(2))
    assert made.shape == (2, size, size, 3) and made.dtype == np.float32
    assert model.discriminator(made).shape == (2, 1)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_any_number_of_channels(channels: int) -> None:
    model = DCGAN((8, 8, channels), base_channels=2)
    assert model.generate(model.draw_latents(1)).shape == (1, 8, 8, channels)


@pytest.mark.parametrize("network", ["dcgan", "tutorial"])
def test_kernels_are_divisible_by_strides(network: str) -> None:
    model = DCGAN((28, 28, 1), network=network, base_channels=2)
    strided = 0
    for network in model.networks().values():
        for layer in network.layers:
            for kernel, stride in zip(
                getattr(layer, "kernel_size", ()), getattr(layer, "strides", ()), strict=False
            ):
                assert stride == 1 or kernel % stride == 0
                strided += stride > 1
    assert strided >= 4


def test_strided_is_the_papers() -> None:
    model = DCGAN((64, 64, 3))
    kernels = [w.shape for w in model.discriminator.weights if len(w.shape) == 4]
    assert [shape[-1] for shape in kernels] == [64, 128, 256, 512]
    assert model.generator.layers[2].output.shape == (None, 4, 4, 512)
    norms = [
        sum(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)
        for network in (model.generator, model.discriminator)
    ]
    assert norms == [4, 3]  # none after the last layer of G, none after the first of D
    config = model.config
    assert (config.generator_optimizer, config.generator_learning_rate) == ("adam", 2e-4)
    assert model.config.beta_1 == 0.5
    deviation = model.generator.get_layer(index=1).kernel.numpy().std()
    assert deviation == pytest.approx(0.02, rel=0.02)


def test_tutorial_is_the_books() -> None:
    model = DCGAN((32, 32, 3), network="tutorial")
    kinds = [type(layer).__name__ for layer in model.generator.layers]
    assert kinds.count("Conv2D") == 4 and kinds.count("Conv2DTranspose") == 1
    assert "BatchNormalization" not in kinds
    assert any(isinstance(layer, keras.layers.Dropout) for layer in model.discriminator.layers)
    model.compile()
    assert isinstance(model.optimizers["discriminator_optimizer"], keras.optimizers.RMSprop)
    assert model.optimizers["discriminator_optimizer"].clipvalue == 1.0
    assert model.config.label_noise > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_shape": (7, 7, 1)}, "network=dcgan makes images from 8 to 128 pixels wide, not 7"),
        ({"image_shape": (129, 129, 1)}, "from 8 to 128"),
        ({"image_shape": (16, 8, 1)}, "images must be square for network=dcgan, not 16x8"),
        ({"image_shape": (16, 16)}, "image_shape must be (height, width, channels)"),
        ({"network": "dcgann"}, "network must be one of mlp, dcgan, resnet, tutorial"),
        ({"d_steps": 0}, "d_steps must be at least 1"),
        ({"label_smoothing": 1.5}, "label_smoothing must be from 0 to 1"),
        ({"generator_optimizer": "adm"}, "generator_optimizer must be one of adam"),
        ({"discriminator_learning_rate": -1.0}, "discriminator_learning_rate must be at least 0"),
        ({"latent_dim": 0}, "latent_dim must be at least 1"),
    ],
)
def test_impossible_values(arguments: dict, message: str) -> None:
    with pytest.raises(UserError) as caught:
        DCGAN(**{"image_shape": (8, 8, 1), **arguments})
    assert message in str(caught.value)


def test_config_makes_the_same_model_with_resolved_values() -> None:
    model = DCGAN(**SMALL, network="tutorial", seed=4)
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


def test_two_layers_of_one_shape_start_differently() -> None:
    model = DCGAN((32, 32, 3), network="tutorial", base_channels=4)
    kernels = [w.numpy() for w in model.generator.weights if w.shape == (5, 5, 8, 8)]
    assert len(kernels) == 2 and not np.array_equal(*kernels)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_plain_keras_fit(jit_compile: bool) -> None:
    model = tfgan2.create("dcgan", **SMALL, d_steps=2)
    assert isinstance(model, tf.keras.Model)
    model.compile(
        generator_optimizer=keras.optimizers.Adam(1e-3),
        discriminator_optimizer="sgd",
        jit_compile=jit_compile,
    )
    before = [w.numpy() for w in model.weights]
    dataset = tf.data.Dataset.from_tensor_slices(batch(32)).batch(16)
    history = model.fit(dataset, epochs=2, verbose=0)
    assert set(history.history) >= {"generator_loss", "discriminator_loss"}
    assert np.isfinite(history.history["generator_loss"]).all()
    assert int(model.step) == 4
    assert int(model.optimizers["generator_optimizer"].iterations) == 4
    assert int(model.optimizers["discriminator_optimizer"].iterations) == 8
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.weights, strict=True)]
    assert all(changed)


def test_fit_takes_labelled_batches() -> None:
    model = DCGAN(**SMALL)
    model.compile()
    labelled = tf.data.Dataset.from_tensor_slices((batch(8), np.arange(8))).batch(8)
    model.fit(labelled, verbose=0)
    assert int(model.step) == 1


def test_discriminator_steps_take_fresh_samples() -> None:
    model = DCGAN(**SMALL, d_steps=3)
    model.compile(run_eagerly=True)
    seen = []
    update = model.update_discriminator
    model.update_discriminator = lambda real, fake: (
        seen.append((real.images, fake.images)),
        update(real, fake),
    )[1]
    images = batch(12)
    model.train_step(tf.constant(images))
    np.testing.assert_array_equal(np.concatenate([real for real, _ in seen]), images)
    fakes = [fake.numpy() for _, fake in seen]
    assert not np.array_equal(fakes[0], fakes[1]) and not np.array_equal(fakes[1], fakes[2])


def test_noise_depends_on_seed_step_and_stream() -> None:
    model = DCGAN(**SMALL, seed=1)
    first = model.random_latents(4, "a").numpy()
    np.testing.assert_array_equal(first, model.random_latents(4, "a"))
    assert not np.array_equal(first, model.random_latents(4, "b"))
    model.step.assign_add(1)
    assert not np.array_equal(first, model.random_latents(4, "a"))
    assert not np.array_equal(first, DCGAN(**SMALL, seed=2).random_latents(4, "a"))


def test_label_smoothing_is_one_sided() -> None:
    confident = tf.constant([[20.0]] * 8), tf.constant([[-20.0]] * 8)
    plain, smoothed = (DCGAN(**SMALL, label_smoothing=x) for x in (0.0, 0.1))
    assert float(plain.discriminator_loss(*confident, "test")) == pytest.approx(0.0, abs=1e-5)
    assert float(smoothed.discriminator_loss(*confident, "test")) == pytest.approx(
        0.1 * 20, rel=1e-3
    )


def test_ema_follows_the_generator_and_is_what_samples_come_from() -> None:
    model = DCGAN(**SMALL, ema_decay=0.5)
    model.compile()
    before = [w.numpy() for w in model.ema_generator.weights]
    # The decay starts at (1 + 0) / (10 + 0) = 0.1.
    model.train_step(tf.constant(batch(8)))
    for old, average, value in zip(
        before, model.ema_generator.weights, model.generator.weights, strict=True
    ):
        np.testing.assert_allclose(average, 0.1 * old + 0.9 * value.numpy(), rtol=1e-4, atol=1e-6)
    assert model.sampling_generator is model.ema_generator
    without = DCGAN(**SMALL, ema_decay=0.0)
    assert without.sampling_generator is without.generator


def test_same_step_twice_gives_the_same_weights() -> None:
    runs = []
    for _ in range(2):
        model = DCGAN(**SMALL, network="tutorial", seed=2)
        model.compile()
        for index in range(3):
            model.train_step(tf.constant(batch(8, seed=index)))
        runs.append(hashable(model))
    assert runs[0] == runs[1]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = DCGAN(**SMALL)
        model.compile()
    finally:
        keras.config.set_dtype_policy("float32")
    scaled = isinstance(
        model.optimizers["discriminator_optimizer"], keras.optimizers.LossScaleOptimizer
    )
    assert scaled == (policy == "mixed_float16")
    assert model.generator.layers[1].compute_dtype == policy.removeprefix("mixed_")
    step = tf.function(model.train_step, jit_compile=True)
    for index in range(3):
        metrics = step(tf.constant(batch(8, seed=index)))
    assert all(value.dtype == tf.float32 for value in metrics.values())
    assert all(np.isfinite(float(value)) for value in metrics.values())
    made = model.generate(model.draw_latents(3))
    assert made.dtype == np.float32 and np.abs(made).max() <= 1


def test_generate_in_chunks_equals_generate_at_once() -> None:
    model = DCGAN(**SMALL)
    latents = model.draw_latents(10, seed=1)
    np.testing.assert_allclose(
        model.generate(latents, batch_size=4), model.generate(latents), atol=1e-6
    )
    with pytest.raises(UserError, match=r"latents must have the shape \(count, 6\)"):
        model.generate(np.zeros((2, 5)))
