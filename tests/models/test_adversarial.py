"""What all adversarial flavours share: the regularisers, packing and lookahead."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from helpers import batch_for, make_small

import tfgan2
from tfgan2 import registry
from tfgan2.errors import UserError
from tfgan2.models.game import AdversarialModel
from tfgan2.models.latent import LatentGAN
from tfgan2.models.regularizers import Samples

SHAPE = (8, 8, 1)
ADVERSARIAL = [
    name for name in registry.FLAVOURS if issubclass(registry.load_class(name), AdversarialModel)
]


def make(name: str = "gan", **more: object) -> AdversarialModel:
    cls = registry.load_class(name)
    if "num_classes" in cls.Config.options:
        more["num_classes"] = 3
    return tfgan2.create(
        name, **{"image_shape": SHAPE, "base_channels": 4, "latent_dim": 6, **more}
    )


def images(count: int, seed: int = 0) -> tf.Tensor:
    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(-1, 1, (count, *SHAPE)).astype(np.float32))


def batch(model: AdversarialModel, count: int = 8) -> tuple[tf.Tensor, tf.Tensor]:
    count *= model.batches_per_step
    return images(count), tf.range(count) % 3


EXTRAS = {
    "label_noise": 0.3,
    "instance_noise": 0.1,
    "instance_noise_steps": 10,
    "augment": "color,translation,cutout",
    "lookahead": 2,
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_every_flavour_takes_every_extra(name: str) -> None:
    latent = issubclass(registry.load_class(name), LatentGAN)
    model = make_small(name, **EXTRAS, **({"packing": 2} if latent else {}))
    model.compile()
    parts = tuple(tf.constant(part) for part in batch_for(model))
    for _ in range(2):
        metrics = model.train_step(parts)
    assert all(np.isfinite(float(value)) for value in metrics.values())
    if latent:
        assert model.discriminator.inputs[0].shape[-1] == 2  # two images judged together
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert again.weights_by_name().keys() == model.weights_by_name().keys()


def test_packing_joins_neighbours_along_the_channels() -> None:
    model = make(packing=3)
    plain = images(6)
    packed = model.discriminator_inputs(Samples(plain), "test").images
    assert packed.shape == (2, 8, 8, 3)
    for group in range(2):
        for place in range(3):
            np.testing.assert_array_equal(
                packed[group, ..., place], plain[3 * group + place, ..., 0]
            )
    model.compile()
    with pytest.raises(UserError, match="a batch of 8 images cannot be packed by 3"):
        model.train_step(batch(model))


def test_packed_labels_and_heads_keep_their_order() -> None:
    labels = tf.constant([0, 1, 2, 2, 1, 0])
    model = make("cgan", packing=2)
    seen = []
    model.discriminator = lambda inputs, training: seen.append(inputs)
    model.logits(Samples(images(6), labels))
    np.testing.assert_array_equal(seen[0][1], [[0, 1], [2, 2], [1, 0]])
    # The class head of packed images gives one block per image, in their order.
    acgan = make("acgan", packing=2)
    logits = tf.one_hot(tf.reshape(labels, (3, 2)), 3) * 50.0
    loss, accuracy = acgan.class_loss(tf.reshape(logits, (3, 6)), labels)
    assert float(loss) == pytest.approx(0.0, abs=1e-5) and float(accuracy) == 1.0


def test_label_noise_swaps_its_share() -> None:
    model = make(label_noise=0.2)
    real, fake = tf.ones((5000, 1)), tf.zeros((5000, 1))
    noisy_real, noisy_fake = model.flipped_labels(real, fake, "test", model.noise_seed)
    assert float(tf.reduce_mean(noisy_real)) == pytest.approx(0.8, abs=0.02)
    assert float(tf.reduce_mean(noisy_fake)) == pytest.approx(0.2, abs=0.02)
    together = np.mean((noisy_real.numpy() == 0) & (noisy_fake.numpy() == 1))
    assert together == pytest.approx(0.04, abs=0.015)  # the two are drawn apart
    patches = tf.ones((100, 2, 2, 1)), tf.zeros((100, 2, 2, 1))
    each = model.flipped_labels(*patches, "test", model.noise_seed)[0].numpy()
    assert all(len(np.unique(sample)) == 1 for sample in each)  # a sample is swapped as a whole
    assert make().flipped_labels(real, fake, "test", model.noise_seed) == (real, fake)


def test_instance_noise_fades() -> None:
    model = make(instance_noise=0.5, instance_noise_steps=10)
    plain = tf.zeros((64, *SHAPE))

    def deviation() -> float:
        return float(tf.math.reduce_std(model.discriminator_inputs(Samples(plain), "test").images))

    assert deviation() == pytest.approx(0.5, rel=0.05)
    model.step.assign(5)
    assert deviation() == pytest.approx(0.25, rel=0.05)
    model.step.assign(20)
    assert deviation() == 0.0
    lasting = make(instance_noise=0.5)
    lasting.step.assign(10_000)
    seen = lasting.discriminator_inputs(Samples(plain), "test").images
    assert float(tf.math.reduce_std(seen)) == pytest.approx(0.5, rel=0.05)


def test_real_and_generated_images_are_augmented_alike_but_not_the_same() -> None:
    model = make(augment="translation,cutout")
    plain = images(16)
    first = model.discriminator_inputs(Samples(plain), "step: real").images
    np.testing.assert_array_equal(
        first, model.discriminator_inputs(Samples(plain), "step: real").images
    )
    assert not np.array_equal(
        first, model.discriminator_inputs(Samples(plain), "step: fake").images
    )
    with tf.GradientTape() as tape:
        tape.watch(plain)
        seen = model.discriminator_inputs(Samples(plain), "fake for G").images
    assert float(tf.reduce_sum(tf.abs(tape.gradient(seen, plain)))) > 0
    with pytest.raises(UserError, match="did you mean 'cutout'"):
        make(augment="cutuot")


def test_lookahead_brings_both_players_back_and_resumes() -> None:
    model, plain = make(lookahead=2, dropout=0.0), make(dropout=0.0)
    for each in (model, plain):
        each.compile()
    start = [w.numpy() for w in model.discriminator.trainable_variables]
    for _ in range(2):
        for each in (model, plain):
            each.train_step(batch(each))
    for old, ours, fast in zip(
        start,
        model.discriminator.trainable_variables,
        plain.discriminator.trainable_variables,
        strict=True,
    ):
        np.testing.assert_allclose(ours, (old + fast.numpy()) / 2, atol=1e-6)
    slow = [name for name in model.state() if "slow" in name]
    players = model.generator.trainable_variables + model.discriminator.trainable_variables
    assert len(slow) == len(players)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"packing": 0}, "packing must be at least 1"),
        ({"label_noise": 2.0}, "label_noise must be from 0 to 1"),
        ({"instance_noise": -1.0}, "instance_noise must be at least 0"),
        ({"lookahead": -1}, "lookahead must be at least 0"),
        ({"network": "unet"}, "network must be one of mlp, dcgan, resnet, tutorial"),
        ({"base_channels": 0}, "base_channels must be at least 1"),
    ],
)
def test_impossible_values(more: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(**more)


def test_labels_of_generate() -> None:
    model = make("cgan")
    latents = model.draw_latents(4)
    np.testing.assert_array_equal(model.draw_labels(4), [0, 1, 2, 0])
    np.testing.assert_array_equal(
        model.generate(latents), model.generate(latents, np.array([0, 1, 2, 0]))
    )
    other = model.generate(latents, np.array([1, 1, 2, 0]))
    assert not np.array_equal(model.generate(latents)[0], other[0])
    for wrong in ([0, 1], [0, 1, 2, 3], [0.5, 1, 2, 0]):
        with pytest.raises(UserError, match=r"labels must|out of range"):
            model.generate(latents, np.array(wrong))
    with pytest.raises(UserError, match="takes no labels"):
        make().generate(latents, np.zeros(4, int))
    model.compile()
    with pytest.raises(UserError, match="CGAN needs images with labels"):
        model.train_step(images(8))
