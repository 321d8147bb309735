"""Pix2Pix, CycleGAN, inpainting, SRGAN: what makes each itself."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import batch_for, make_small
from PIL import Image

from tfgan2 import cli
from tfgan2.errors import UserError
from tfgan2.models.cyclegan import CycleGAN
from tfgan2.models.pix2pix import Pix2Pix
from tfgan2.models.regularizers import Samples
from tfgan2.models.srgan import SRGAN
from tfgan2.nn import masks


def parts(model: keras.Model, count: int = 8) -> tuple[tf.Tensor, ...]:
    return tuple(tf.constant(part) for part in batch_for(model, count))


# --- pix2pix -------------------------------------------------------------------------------------


def test_the_papers_networks_at_their_size() -> None:
    model = Pix2Pix((256, 256, 3))
    convolutions = [x for x in model.generator.layers if isinstance(x, keras.layers.Conv2D)]
    assert [x.filters for x in convolutions[:8]] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert sum(isinstance(x, keras.layers.Dropout) for x in model.generator.layers) == 3
    assert model.config.patch == 70
    # 54.4 and 2.8 million weights in the authors' code.
    assert 54e6 < model.generator.count_params() < 55e6
    assert 2.7e6 < model.discriminator.count_params() < 2.8e6


def receptive_field(model: keras.Model) -> int:
    """Edge of what a logit in the middle depends on."""
    image = tf.Variable(np.random.default_rng(0).normal(size=model.inputs[0].shape[1:])[None])
    rest = [tf.zeros((1, *x.shape[1:])) for x in model.inputs[1:]]
    with tf.GradientTape() as tape:
        logits = model([tf.cast(image, tf.float32), *rest])
        middle = logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]
    touched = np.abs(tape.gradient(middle, image).numpy()[0]).sum(axis=2) > 0
    return int(touched.any(axis=1).sum())


@pytest.mark.parametrize("patch", [16, 34, 70])
def test_a_logit_sees_a_patch(patch: int) -> None:
    model = Pix2Pix((128, 128, 1), patch=patch, base_channels=2, norm="none")
    assert receptive_field(model.discriminator) == patch


def test_pairs_are_cut_and_mirrored_together() -> None:
    model = make_small("pix2pix")
    images = tf.constant(np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)), tf.float32)
    real = model.real_samples((images, -images))
    np.testing.assert_allclose(real.images, -real.inputs, atol=1e-6)
    assert np.abs(real.inputs - images).max() > 0.1
    plain = make_small("pix2pix", jitter=False, mirror=False).real_samples((images, -images))
    np.testing.assert_array_equal(plain.inputs, images)
    seen = make_small("pix2pix", augment="translation,cutout").discriminator_inputs(
        Samples(-images, inputs=images), "x"
    )
    np.testing.assert_allclose(seen.images, -seen.inputs, atol=1e-6)


def test_colours_change_alike_and_each_by_its_own() -> None:
    rng = np.random.default_rng(0)
    one, other = (tf.constant(rng.uniform(-1, 1, (8, 16, 16, 3)), tf.float32) for _ in range(2))
    model = make_small("pix2pix", (16, 16, 3), augment="color,translation")
    alike = model.discriminator_inputs(Samples(one, inputs=one), "x")
    np.testing.assert_array_equal(alike.images, alike.inputs)
    assert np.abs(alike.images - one).max() > 0.1
    # What one image looks like has no say in the colours of the other.
    seen = model.discriminator_inputs(Samples(one, inputs=other), "x")
    np.testing.assert_array_equal(seen.images, alike.images)


def test_the_generators_loss_is_the_sum_of_its_terms() -> None:
    model = make_small("pix2pix", adversarial_weight=2.0, l1_weight=7.0)
    model.compile()
    metrics = model.train_step(parts(model))
    expected = 2 * metrics["adversarial_loss"] + 7 * metrics["l1_loss"]
    assert float(metrics["generator_loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_sizes_that_no_u_net_takes() -> None:
    for size in (6, 9, 30):
        with pytest.raises(UserError, match="multiples of 4"):
            Pix2Pix((size, size, 1), base_channels=2)


# --- cyclegan ------------------------------------------------------------------------------------


def test_the_pool_shows_earlier_fakes() -> None:
    model = make_small("cyclegan", pool_size=4)
    shown = []
    for step in range(30):
        model.step.assign(step)
        fakes = tf.fill((1, 16, 16, 1), float(step))
        shown.append(int(model.pooled(0, fakes)[0, 0, 0, 0]))
    assert shown[:4] == [0, 1, 2, 3]  # while it fills, fakes pass
    later = [(step, value) for step, value in enumerate(shown) if step >= 4]
    old = [value for step, value in later if value != step]
    assert 6 <= len(old) <= 20  # half of them
    assert all(value < step for step, value in later if value != step)
    assert len(set(old)) == len(old)  # what was shown again is gone
    kept = {int(value) for value in model.pools[0].numpy()[:, 0, 0, 0]}
    assert len(kept) == 4 and not kept & set(old)


def test_the_learning_rate_falls_in_the_second_half() -> None:
    model = make_small("cyclegan")
    model.plan(100)
    rate = model.default_optimizer("generator_optimizer")._learning_rate
    steps = (0, 50, 75, 100, 120)
    assert [round(float(rate(step)) / 2e-4, 4) for step in steps] == [1, 1, 0.5, 0, 0]


@pytest.mark.slow
def test_plain_keras_fit_plans_its_steps() -> None:
    model = make_small("cyclegan")
    model.compile()
    batches = tf.data.Dataset.from_tensors(parts(model, 2)).repeat(3)
    model.fit(batches, epochs=2, verbose=0)
    rate = model.optimizers["generator_optimizer"].learning_rate
    assert model.planned_steps == 6 and float(rate) == 0
    model.fit(batches.repeat(), steps_per_epoch=2, verbose=0)
    assert model.planned_steps == 8 and int(model.step) == 8
    larger = make_small("srgan", pretrain_steps=None)
    larger.compile()
    history = larger.fit(tf.data.Dataset.from_tensors(parts(larger)).repeat(4), verbose=0)
    assert larger.config.pretrain_steps == 2 and "real_score" in history.history


def test_batches_of_unknown_size_are_refused() -> None:
    model = make_small("cyclegan")
    model.compile()
    samples = tf.data.Dataset.from_tensor_slices(parts(model, 4))
    with pytest.raises(UserError, match="give drop_remainder=True"):
        model.fit(samples.batch(2), verbose=0)
    model.fit(samples.batch(2, drop_remainder=True), verbose=0)
    assert int(model.step) == 2


def test_the_cycles_terms() -> None:
    model = make_small("cyclegan", cycle_weight=3.0, identity_weight=0.25)
    model.compile()
    metrics = model.train_step(parts(model, 2))
    expected = (
        metrics["adversarial_loss"] + 3 * metrics["cycle_loss"] + 0.75 * metrics["identity_loss"]
    )
    assert float(metrics["generator_loss"]) == pytest.approx(float(expected), rel=1e-5)
    other = CycleGAN((16, 16, 3), input_channels=1, base_channels=2, blocks=1, pool_size=0)
    other.compile()
    images = np.zeros((2, 16, 16, 3), np.float32)
    assert "identity_loss" not in other.train_step((images[..., :1], images))
    assert list(other.exports()) == ["a_to_b", "b_to_a"]


# --- inpainting ----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_what_is_not_hidden_is_the_very_input(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = make_small("inpainting", mask="free-form")
    finally:
        keras.config.set_dtype_policy("float32")
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)).astype(np.float32)
    hidden = masks.draw("free-form", 4, (16, 16), 0.5, tf.constant([1, 2])).numpy()
    inputs = {"input": images, "mask": hidden}
    made = model.run_generator(model.sampling_generator, inputs)
    np.testing.assert_array_equal(made[hidden < 0.5], images[hidden < 0.5])
    assert (made[hidden > 0.5] != images[hidden > 0.5]).mean() > 0.9
    # Nor does what is hidden matter.
    inputs["input"] = np.where(hidden > 0.5, 0.123, images).astype(np.float32)
    again = model.run_generator(model.sampling_generator, inputs)
    np.testing.assert_array_equal(made, again)


def test_the_mask_moves_with_what_it_hides() -> None:
    model = make_small("inpainting", augment="color,translation,cutout")
    mask = np.zeros((8, 16, 16, 1), np.float32)
    mask[:, 4:9, 6:12] = 1
    seen = model.discriminator_inputs(Samples(tf.constant(mask), inputs=tf.constant(mask)), "x")
    plain = make_small("inpainting", augment="translation")
    moved = plain.discriminator_inputs(Samples(tf.constant(mask), inputs=tf.constant(mask)), "x")
    np.testing.assert_array_equal(moved.images, moved.inputs)
    np.testing.assert_array_equal(seen.inputs, moved.inputs)  # neither coloured nor cut
    assert np.abs(seen.inputs - mask).max() == 1


def test_only_what_is_hidden_counts() -> None:
    model = make_small("inpainting", reconstruction="l1", reconstruction_weight=1.0)
    real = tf.zeros((2, 16, 16, 1))
    mask = np.zeros((2, 16, 16, 1), np.float32)
    mask[:, 4:8, 4:8] = 1
    fake = tf.constant(np.where(mask > 0, 0.5, 9.0), tf.float32)
    loss, terms = model.content_objective(
        Samples(fake, inputs=mask), Samples(real, inputs=tf.constant(mask))
    )
    assert float(loss) == float(terms["reconstruction_loss"]) == pytest.approx(0.5)


# --- srgan ---------------------------------------------------------------------------------------


def test_small_images_are_those_of_pillow() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    small = Image.fromarray(pixels.astype(np.float32)).resize((8, 8), Image.Resampling.BICUBIC)
    model = SRGAN((32, 32, 1), base_channels=4, blocks=1)
    image = pixels.astype(np.float32)[None, ..., None] / 127.5 - 1
    made = model.downscaled(tf.constant(image)).numpy()[0, ..., 0]
    np.testing.assert_allclose(made, np.clip(np.asarray(small) / 127.5 - 1, -1, 1), atol=1e-5)


@pytest.mark.parametrize("scale", [2, 4])
def test_phases_and_scales(scale: int) -> None:
    model = SRGAN((16, 16, 1), scale=scale, base_channels=4, blocks=1)
    model.compile()
    model.plan(10)
    assert [model.phase_at(step) for step in (0, 4, 5, 9)] == ["content"] * 2 + ["adversarial"] * 2
    given = SRGAN((16, 16, 1), scale=scale, base_channels=4, blocks=1, pretrain_steps=3)
    assert [given.phase_at(step) for step in (2, 3)] == ["content", "adversarial"]
    before = model.discriminator.get_weights()
    model.phase = "content"
    assert set(model.train_step(parts(model))) == {"generator_loss", "content_loss"}
    for one, other in zip(before, model.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    made = model.run_generator(model.generator, model.inputs_of(batch_for(model)))
    assert made.shape == (8, 16, 16, 1)


def test_refusals() -> None:
    for options, message in (
        ({"scale": 3}, "scale must be one of 2, 4"),
        ({"image_shape": (18, 18, 1)}, "no multiple of the scale"),
        ({"content": "vgg"}, "needs RGB images of 32 pixels"),
    ):
        with pytest.raises(UserError, match=message):
            SRGAN(**{"image_shape": (16, 16, 1), "base_channels": 4, **options})


def test_content_of_vgg_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Random weights in place of those that would be fetched: the features still are a function of
    # the images, and their weights none of the model's.
    made = keras.applications.VGG19
    monkeypatch.setattr(
        keras.applications, "VGG19", lambda **kw: made(include_top=False, weights=None)
    )
    model = SRGAN((32, 32, 3), base_channels=4, blocks=1, content="vgg")
    assert all("block5" not in variable.path for variable in model.variables)
    model.compile()
    rng = np.random.default_rng(0)
    metrics = model.train_step(rng.uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32))
    assert np.isfinite(float(metrics["content_loss"]))

    def offline(**options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(keras.applications, "VGG19", offline)
    # Whoever samples or exports needs no VGG.
    model = SRGAN((32, 32, 3), base_channels=4, blocks=1, content="vgg")
    with pytest.raises(UserError, match="weights of VGG19 cannot be downloaded"):
        model.compile()
    out = tmp_path / "run"
    words = f"fit srgan --dataset digits --channels 3 --image-size 32 --out {out}"
    assert cli.run([*words.split(), "--set", "content=vgg", "--set", "base_channels=4"]) == 2
    assert not out.exists()
