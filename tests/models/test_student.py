"""The student: its objective, what it takes from its teacher, its grids."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import TEACHER, layer_kinds, make_small, tensors_for

from tfgan2 import create, registry
from tfgan2.errors import UserError
from tfgan2.keras_model.batches import check_values
from tfgan2.models import Student
from tfgan2.models.regularizers import Samples


def facts(class_names: tuple[str, ...] = (), **teacher: object) -> dict[str, object]:
    return {
        "image_shape": (16, 16, 1),
        "class_names": class_names,
        "teacher": {**TEACHER, **teacher},
    }


def student(class_names: tuple[str, ...] = (), **teacher: object) -> Student:
    values = Student.data_hyperparameters(facts(class_names, **teacher))
    return create("student", **values, base_channels=4, max_channels=8)


def test_the_teacher_decides_latents_and_labels() -> None:
    model = student(latent_dim=9, latent_distribution="uniform", truncation_of="latents")
    assert model.latent_dim == 9 and model.num_labels == 0 and not model.label_names([])
    assert np.abs(model.draw_latents(100)).max() <= 1
    assert model.truncation_of == "latents"
    categories = student(("0", "1"), labels_are_classes=False, truncation_of="styles")
    assert categories.num_labels == 2 and not categories.labels_are_classes
    assert categories.truncation_of == "" and categories.label_names(["0", "1"]) == ["0", "1"]
    assert "latent_dim" not in registry.hyperparameters("student")


def test_the_objective_by_numpy() -> None:
    model = make_small("student", pixel_weight=3.0, feature_weight=7.0)
    rng = np.random.default_rng(0)
    one, other = (rng.uniform(-1, 1, (4, 16, 16, 1)).astype(np.float32) for _ in range(2))
    loss, metrics = model.content_objective(Samples(tf.constant(one)), Samples(tf.constant(other)))
    pixels = np.abs(one - other).mean()
    (network,) = model.frozen_networks()
    a, b = one.astype(np.float64), other.astype(np.float64)
    each = []
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = layer.kernel.numpy().astype(np.float64)
            a, b = (strided(x, kernel) for x in (a, b))
            each.append(np.abs(a - b).mean())
    assert [x.shape[1:3] for x in network.outputs] == [(8, 8), (4, 4)] and len(each) == 2
    assert float(metrics["pixel_loss"]) == pytest.approx(pixels, abs=1e-5)
    assert float(metrics["feature_loss"]) == pytest.approx(np.mean(each), abs=1e-5)
    assert float(loss) == pytest.approx(3 * pixels + 7 * np.mean(each), abs=1e-4)


def strided(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A 3x3 convolution with stride 2, padded as TensorFlow pads an even size, and LeakyReLU."""
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    half = x.shape[1] // 2
    total = 0.0
    for row in range(3):
        for column in range(3):
            window = padded[:, row::2, column::2][:, :half, :half]
            total = total + window @ kernel[row, column]
    return np.where(total > 0, total, 0.2 * total)


def test_the_generator_sees_the_latents_and_labels_of_the_teacher() -> None:
    model = make_small("student")
    images, latents, labels = tensors_for(model)
    real = model.real_samples((images, latents, labels))
    fake = model.fake_samples(real, "any")
    again = model.generator([latents, labels], training=True)
    np.testing.assert_allclose(fake.images, again, atol=1e-6)
    assert model.logits(fake).shape == (8, 1)
    # The label changes both the image and the logit.
    other = model.generator([latents, (labels + 1) % 3], training=False)
    assert np.abs(other - model.generator([latents, labels], training=False)).max() > 1e-6
    changed = real._replace(labels=(labels + 1) % 3)
    assert np.abs(model.logits(changed) - model.logits(real)).max() > 1e-6


@pytest.mark.parametrize("quantize", ["none", "int8"])
@pytest.mark.filterwarnings("error:The structure of `inputs`")
def test_without_labels_keras_does_not_warn(quantize: str) -> None:
    values = Student.data_hyperparameters(facts())
    model = create("student", **values, base_channels=4, max_channels=8, quantize=quantize)
    real = Samples(tf.zeros((2, 16, 16, 1)), latents=tf.zeros((2, model.latent_dim)))
    assert model.fake_samples(real, "any").images.shape == real.images.shape


def test_frozen_features_are_no_weights_of_the_model() -> None:
    model = make_small("student")
    (network,) = model.frozen_networks()
    assert not network.trainable_weights
    names = {id(each) for each in model.weights_by_name().values()}
    assert not names & {id(each) for each in network.weights}
    same = make_small("student").frozen_networks()[0]
    for one, other in zip(network.weights, same.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_image_lies_below_its_teachers() -> None:
    model = make_small("student")
    examples = tuple(part.numpy() for part in tensors_for(model, 20))
    views = model.previews(examples)
    assert views[""].images.shape == (20, 16, 16, 1)
    both = views["teacher"].images.reshape(2, 2, 8, 16, 16, 1)
    np.testing.assert_array_equal(both[:, 0].reshape(16, 16, 16, 1), examples[0][:16])
    np.testing.assert_array_equal(both[:, 1].reshape(16, 16, 16, 1), views[""].images[:16])
    few = model.previews(tuple(part[:5] for part in examples))["teacher"]
    assert few.columns == 5 and few.images.shape == (10, 16, 16, 1)


def test_the_learning_rate_falls_along_half_a_cosine() -> None:
    model = student()
    model.compile()
    model.plan(100)
    rate = model.optimizers["generator_optimizer"].learning_rate
    schedule = model.learning_rate("generator_optimizer")
    assert float(schedule(0)) == pytest.approx(2e-3) == pytest.approx(float(rate))
    assert float(schedule(50)) == pytest.approx(1.01e-3)
    assert float(schedule(100)) == pytest.approx(2e-5, rel=1e-4)


def test_both_learning_rates_fall_over_the_whole_run() -> None:
    model = make_small("student", d_steps=3)
    model.plan(100)
    for name, updates in (("generator_optimizer", 1), ("discriminator_optimizer", 3)):
        schedule = model.learning_rate(name)
        fallen = [float(schedule(updates * step) / schedule(0)) for step in (0, 50, 100)]
        assert fallen == pytest.approx([1.0, 0.505, 0.01], rel=1e-4), name


def test_the_generator_is_separable() -> None:
    model = make_small("student")
    assert "DepthwiseConv2D" in layer_kinds(model.generator)
    big = [w for w in model.generator.weights if w.shape[:2] == (3, 3) and w.shape[3] > 1]
    assert not big  # 3x3 kernels are of single channels, or make the single channel of the image


def test_keras_fit_checks_images_but_not_the_range_of_latents() -> None:
    model = make_small("student")
    model.compile()
    images, latents, labels = (part.numpy() for part in tensors_for(model))
    check_values(model, (images, 10 * latents, labels))
    with pytest.raises(UserError, match="images run from"):
        check_values(model, (10 * images, latents, labels))
    with pytest.raises(UserError, match="latents hold values that are not finite"):
        check_values(model, (images, np.nan * latents, labels))
