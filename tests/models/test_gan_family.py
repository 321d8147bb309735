"""What makes the flavours of the cross-entropy game themselves."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.models.acgan import ACGAN
from tfgan2.models.cgan import CGAN
from tfgan2.models.dragan import DRAGAN
from tfgan2.models.gan import GAN
from tfgan2.models.infogan import InfoGAN
from tfgan2.models.regularizers import Samples
from tfgan2.nn import losses, penalties

SMALL = {"image_shape": (8, 8, 1), "base_channels": 4, "latent_dim": 6}
LOGITS = tf.constant([[-1.0], [0.5], [2.0]])


def images(count: int, seed: int = 0) -> tf.Tensor:
    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32))


def test_gan_loss_by_choice() -> None:
    default, minimax = GAN(**SMALL), GAN(**SMALL, loss="minimax")
    assert float(default.gan_loss.generator(LOGITS)) == pytest.approx(
        float(losses.non_saturating_generator_loss(LOGITS))
    )
    expected = np.mean(np.log(1 - 1 / (1 + np.exp(-LOGITS.numpy()))))
    assert float(minimax.gan_loss.generator(LOGITS)) == pytest.approx(expected, abs=1e-5)
    assert minimax.get_config()["loss"] == "minimax"
    with pytest.raises(UserError, match="loss must be one of non_saturating, minimax"):
        GAN(**SMALL, loss="hinge")


def test_gan_is_fully_connected_by_default() -> None:
    for network in GAN(**SMALL).networks().values():
        assert not any(isinstance(layer, keras.layers.Conv2D) for layer in network.layers)
    model = GAN((6, 10, 3), base_channels=4)  # no convolution: any shape
    assert model.generate(model.draw_latents(1)).shape == (1, 6, 10, 3)
    convolutional = GAN(**SMALL, network="dcgan").discriminator
    assert any(isinstance(layer, keras.layers.Conv2D) for layer in convolutional.layers)


@pytest.mark.parametrize("network", ["mlp", "dcgan", "resnet", "tutorial"])
def test_cgan_both_players_know_the_label(network: str) -> None:
    model = CGAN(**SMALL, num_classes=3, network=network, dropout=0.0)
    latents = np.repeat(model.draw_latents(1), 3, axis=0)
    made = model.generate(latents, np.arange(3))
    assert not np.allclose(made[0], made[1]) and not np.allclose(made[1], made[2])
    same = tf.repeat(images(1), 3, axis=0)
    model.discriminator.trainable = False
    logits = model.discriminator([same, tf.constant([[0], [1], [2]])], training=False).numpy()
    assert len(np.unique(logits)) == 3


def test_cgan_generates_with_the_labels_of_the_real_samples() -> None:
    model = CGAN(**SMALL, num_classes=3)
    labels = tf.constant([2, 0, 1, 1])
    fake = model.fake_samples(Samples(images(4), labels), 4, "test")
    np.testing.assert_array_equal(fake.labels, labels)
    assert model.num_labels == 3 and [x.name for x in model.generator.inputs] == ["z", "label"]


def test_acgan_losses() -> None:
    model = ACGAN(**SMALL, num_classes=3, class_weight=2.0, dropout=0.0)
    real = Samples(images(6), tf.constant([0, 1, 2, 0, 1, 2]))
    fake = Samples(images(6, seed=1), tf.constant([2, 1, 0, 2, 1, 0]))
    seen, made = (model.discriminator(x.images, training=True) for x in (real, fake))

    def entropy(logits: tf.Tensor, labels: tf.Tensor) -> float:
        chances = tf.nn.softmax(logits).numpy()
        return float(-np.mean(np.log(chances[np.arange(6), labels.numpy()])))

    loss, metrics = model.discriminator_objective(real, fake, "test")
    source = losses.minimax_discriminator_loss(seen["logits"], made["logits"])
    real_class = entropy(seen["classes"], real.labels)
    fake_class = entropy(made["classes"], fake.labels)
    assert float(loss) == pytest.approx(float(source) + 2 * (real_class + fake_class), rel=1e-5)
    assert float(metrics["real_class_loss"]) == pytest.approx(real_class, rel=1e-5)
    loss, _ = model.generator_objective(fake, real)
    expected = float(losses.non_saturating_generator_loss(made["logits"])) + 2 * fake_class
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert model.discriminator.inputs[0].shape[1:] == (8, 8, 1)  # sees no label


def test_infoganinformation_loss() -> None:
    model = InfoGAN(**SMALL, categories=3, codes=2, category_weight=0.7, code_weight=0.5)
    latents = tf.constant([[0.0, 0, 0, 0, 0.5, -1.0], [0.0, 0, 0, 0, 1.0, 0.25]])
    fake = Samples(images(2), tf.constant([2, 0]), latents)
    answer = {
        "category": tf.constant([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]),
        "codes": tf.constant([[0.5, 0.0], [0.0, 0.25]]),
    }
    category = (-np.log(np.e / (np.e + 2)) + np.log(3)) / 2
    code = 0.5 * (1.0 + 1.0) / 2
    loss, parts = model.information_loss(answer, fake)
    assert float(loss) == pytest.approx(0.7 * category + 0.5 * code, abs=1e-5)
    assert float(parts["category_loss"]) == pytest.approx(category, abs=1e-5)
    assert float(parts["code_loss"]) == pytest.approx(code, abs=1e-5)


def test_infogan_draws_its_own_categories_and_uniform_latents() -> None:
    model = InfoGAN(**SMALL, categories=4)
    fake = model.fake_samples(Samples(images(200)), 200, "test")
    assert set(fake.labels.numpy()) == {0, 1, 2, 3}
    assert np.abs(fake.latents).max() <= 1 and float(tf.math.reduce_std(fake.latents)) < 0.7
    assert np.abs(model.draw_latents(100)).max() <= 1
    without = InfoGAN(**SMALL, categories=0, codes=1)
    assert without.num_labels == 0 and len(without.generator.inputs) == 1
    assert list(without.views()) == ["code-1"]
    with pytest.raises(UserError, match=r"categories \+ codes must be at least 1"):
        InfoGAN(**SMALL, categories=0, codes=0)


def test_infogan_traversals_change_one_code_along_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    model = InfoGAN(**SMALL, categories=3, codes=2)
    asked: list[tuple[np.ndarray, np.ndarray | None]] = []
    generate = model.generate

    def spy(latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        asked.append((latents, labels))
        return generate(latents, labels)

    monkeypatch.setattr(model, "generate", spy)
    views = model.views()
    assert list(views) == ["category", "code-1", "code-2"]
    assert views["category"].columns == 3
    for place, (latents, labels) in enumerate(asked[1:]):
        rows = latents.reshape(-1, 10, 6)
        changes = np.ptp(rows, axis=1) > 0
        assert changes[:, 4 + place].all() and changes.sum() == len(rows)
        assert (np.ptp(labels.reshape(-1, 10), axis=1) == 0).all()


def test_dragan_adds_its_penalty_and_has_no_batch_norm() -> None:
    model = DRAGAN(**SMALL, penalty_weight=3.0)
    kinds = {type(layer).__name__ for layer in model.discriminator.layers}
    assert "BatchNormalization" not in kinds
    real, fake = Samples(images(8)), Samples(images(8, seed=1))
    loss, metrics = model.discriminator_objective(real, fake, "test")
    plain = losses.minimax_discriminator_loss(model.logits(real), model.logits(fake))
    penalty = penalties.dragan_penalty(
        lambda x: model.discriminator(x), real.images, seed=model.noise_seed("test: penalty")
    )
    assert float(metrics["gradient_penalty"]) == pytest.approx(float(penalty), rel=1e-4)
    assert float(loss) == pytest.approx(float(plain) + 3 * float(penalty), rel=1e-4)
