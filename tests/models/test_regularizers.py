"""Every regularizer, in every adversarial flavour."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, heavy_are_slow, image_batch, make_small, tensors_for

from tfgan2 import registry
from tfgan2.distributed.microbatches import MicroBatch
from tfgan2.errors import UserError
from tfgan2.models import DCGAN, AdversarialModel, LatentGAN
from tfgan2.models.regularizers import Samples

ADVERSARIAL = [
    name for name in registry.FLAVOURS if issubclass(registry.load_class(name), AdversarialModel)
]
REGULARIZERS = {
    "label_noise": 0.3,
    "instance_noise": 0.1,
    "instance_noise_steps": 10,
    "augment": "color,translation,cutout",
    "lookahead": 2,
}


@pytest.mark.parametrize("name", heavy_are_slow(ADVERSARIAL))
def test_every_flavour_trains_with_all_regularizers(name: str) -> None:
    latent = issubclass(registry.load_class(name), LatentGAN)
    more = {"packing": 2, "flip": True} if latent else {}
    known = {"ada": 0.6, "lecam": 0.3} if latent and name != "began" else {}
    if latent and registry.load_class(name).gan_loss.boundary is None:
        known.pop("ada", None)
    model = make_small(name, **REGULARIZERS, **more, **known)
    model.compile()
    parts = tensors_for(model)
    for _ in range(2):
        metrics = model.train_step(parts)
    assert all(np.isfinite(float(value)) for value in metrics.values())
    if latent:
        plain = 4 if name == "projected" else 1
        assert model.discriminator.inputs[0].shape[-1] == 2 * plain
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert again.weights_by_name().keys() == model.weights_by_name().keys()


def test_flip_mirrors_half_of_the_real_images() -> None:
    images, labels = image_batch(64), tf.range(64) % 3
    model = make_small("acgan", flip=True, d_steps=2)
    first, second = model.divided((images, labels))
    np.testing.assert_array_equal(tf.concat([first.labels, second.labels], 0), labels)
    after = tf.concat([first.images, second.images], 0).numpy()
    mirrored = []
    for one, other in zip(images.numpy(), after, strict=True):
        mirrored.append(np.array_equal(other, one[:, ::-1]))
        assert mirrored[-1] or np.array_equal(other, one)
    assert 20 < sum(mirrored) < 44
    assert mirrored[:32] != mirrored[32:]
    np.testing.assert_array_equal(model.divided((images, labels))[0].images, first.images)
    model.step.assign(1)
    assert not np.array_equal(model.divided((images, labels))[0].images, first.images)
    plain = make_small("acgan").divided((images, labels))[0].images
    np.testing.assert_array_equal(plain, images)


def test_micro_batches_mirror_the_same_images_of_two_batches() -> None:
    model = make_small("r3gan", flip=True)
    images = image_batch(16)
    whole = model.divided(images)[-1].images.numpy()
    assert not np.array_equal(whole[:8], whole[8:])
    for index in range(2):
        rows = np.r_[4 * index : 4 * index + 4, 8 + 4 * index : 12 + 4 * index]
        with MicroBatch(tf.constant(index), 2, [], []):
            part = model.divided(tf.gather(images, rows))[-1].images
        np.testing.assert_array_equal(part, whole[rows])


def test_vae_flips_too() -> None:
    model = make_small("vae", flip=True)
    model.compile()
    images = image_batch(16)
    flipped = model.flip(images, "real", model.noise_seed)
    assert not np.array_equal(flipped, images)
    assert np.isfinite(float(model.train_step(images)["loss"]))


def test_packing_concatenates_neighbours_along_the_channels() -> None:
    model = make_small("gan", packing=3)
    plain = image_batch(6)
    packed = model.discriminator_inputs(Samples(plain), "test").images
    assert packed.shape == (2, 8, 8, 3)
    for group in range(2):
        for index in range(3):
            np.testing.assert_array_equal(
                packed[group, ..., index], plain[3 * group + index, ..., 0]
            )
    with pytest.raises(UserError, match="a batch of 8 images cannot be packed by 3"):
        model.check_batch_size(8)


def test_packing_keeps_the_order_of_labels() -> None:
    labels = tf.constant([0, 1, 2, 2, 1, 0])
    model = make_small("cgan", packing=2)
    discriminator = model.discriminator = Mock(inputs=model.discriminator.inputs)
    model.logits(Samples(image_batch(6), labels))
    _, packed = discriminator.call_args.args[0]
    np.testing.assert_array_equal(packed, [[0, 1], [2, 2], [1, 0]])
    # The class head has a block of logits for each packed image, in their order.
    acgan = make_small("acgan", packing=2)
    logits = tf.one_hot(tf.reshape(labels, (3, 2)), 3) * 50.0
    loss, accuracy = acgan.class_loss(tf.reshape(logits, (3, 6)), labels)
    assert float(loss) == pytest.approx(0.0, abs=1e-5) and float(accuracy) == 1.0


def test_label_noise_flips_a_fraction_of_the_labels() -> None:
    model = make_small("gan", label_noise=0.2)
    real, fake = tf.ones((5000, 1)), tf.zeros((5000, 1))
    noisy_real, noisy_fake = model.flipped_labels(real, fake, "test", model.noise_seed)
    assert float(tf.reduce_mean(noisy_real)) == pytest.approx(0.8, abs=0.02)
    assert float(tf.reduce_mean(noisy_fake)) == pytest.approx(0.2, abs=0.02)
    together = np.mean((noisy_real.numpy() == 0) & (noisy_fake.numpy() == 1))
    assert together == pytest.approx(0.04, abs=0.015)  # independent draws
    patches = tf.ones((100, 2, 2, 1)), tf.zeros((100, 2, 2, 1))
    each = model.flipped_labels(*patches, "test", model.noise_seed)[0].numpy()
    assert all(len(np.unique(sample)) == 1 for sample in each)  # one draw for all patches
    assert make_small("gan").flipped_labels(real, fake, "test", model.noise_seed) == (real, fake)


def test_instance_noise_fades() -> None:
    model = make_small("gan", instance_noise=0.5, instance_noise_steps=10)
    plain = tf.zeros((64, 8, 8, 1))

    def deviation() -> float:
        return float(tf.math.reduce_std(model.discriminator_inputs(Samples(plain), "test").images))

    assert deviation() == pytest.approx(0.5, rel=0.05)
    model.step.assign(5)
    assert deviation() == pytest.approx(0.25, rel=0.05)
    model.step.assign(20)
    assert deviation() == 0.0
    lasting = make_small("gan", instance_noise=0.5)
    lasting.step.assign(10_000)
    noisy = lasting.discriminator_inputs(Samples(plain), "test").images
    assert float(tf.math.reduce_std(noisy)) == pytest.approx(0.5, rel=0.05)


def test_augmentation_depends_on_the_stream_and_passes_gradients() -> None:
    model = make_small("gan", augment="translation,cutout")
    plain = image_batch(16)
    first = model.discriminator_inputs(Samples(plain), "step: real").images
    np.testing.assert_array_equal(
        first, model.discriminator_inputs(Samples(plain), "step: real").images
    )
    assert not np.array_equal(
        first, model.discriminator_inputs(Samples(plain), "step: fake").images
    )
    with tf.GradientTape() as tape:
        tape.watch(plain)
        augmented = model.discriminator_inputs(Samples(plain), "fake for G").images
    assert float(tf.reduce_sum(tf.abs(tape.gradient(augmented, plain)))) > 0
    with pytest.raises(UserError, match="did you mean 'cutout'"):
        make_small("gan", augment="cutuot")


def test_label_smoothing_is_one_sided() -> None:
    confident = tf.constant([[20.0]] * 8), tf.constant([[-20.0]] * 8)
    plain, smoothed = (DCGAN(**SMALL_GAN, label_smoothing=x) for x in (0.0, 0.1))
    assert float(plain.discriminator_loss(*confident, "test")) == pytest.approx(0.0, abs=1e-5)
    assert float(smoothed.discriminator_loss(*confident, "test")) == pytest.approx(
        0.1 * 20, rel=1e-3
    )


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("gan", "beta_1", 1.0),
        ("gan", "beta_2", 1.0),
        ("r3gan", "final_beta_2", 1.0),
        ("stylegan2", "mapping_learning_rate", 0.0),
    ],
)
def test_values_that_cannot_train_are_refused(name: str, option: str, value: float) -> None:
    with pytest.raises(UserError, match=f"{option} must be (at least|from) .*, not {value:g}"):
        make_small(name, **{option: value})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"packing": 0}, "packing must be at least 1"),
        ({"label_noise": 2.0}, "label_noise must be from 0 to 1"),
        ({"instance_noise": -1.0}, "instance_noise must be at least 0"),
        ({"lookahead": -1}, "lookahead must be at least 0"),
        ({"network": "unet"}, "unknown network 'unet'"),
        ({"base_channels": 0}, "base_channels must be at least 1"),
    ],
)
def test_values_out_of_range_are_refused(more: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_small("gan", **more)
