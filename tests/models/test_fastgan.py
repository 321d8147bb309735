"""FastGAN: the error of the decoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from helpers import image_batch, make_small

from tfgan2 import registry
from tfgan2.images import resize_matrix
from tfgan2.models import FastGAN
from tfgan2.models.regularizers import Samples
from tfgan2.nn.resizing import resized_by

SHAPE = (16, 16, 1)


def model_with(made: Any, **more: object) -> FastGAN:
    """A model whose decoders make what `made` does of their inputs."""
    model = make_small("fastgan", SHAPE, augment="none", **more)
    model.decoders = made
    return model


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_the_error_is_that_of_the_half_image_and_of_a_quarter(kind: str) -> None:
    """Of maps that hold the images, decoders know them; here they are 0.2 and 0.3 off."""
    images = 0.5 * image_batch(3, shape=SHAPE)
    halving = resize_matrix(16, 8)
    half = resized_by(images, halving, halving)
    maps = {"part": tf.nn.space_to_depth(images, 2), "whole": tf.nn.space_to_depth(half, 2)}

    def decoded(inputs: list[tf.Tensor], training: bool) -> dict[str, tf.Tensor]:
        assert [tuple(x.shape[1:]) for x in inputs] == [(4, 4, 4)] * 2 and training
        part, whole = (tf.nn.depth_to_space(x, 2) for x in inputs)
        return {"part": part + 0.2, "whole": whole - 0.3}

    error = model_with(decoded, reconstruction=kind).reconstruction_error(images, maps, "x")
    assert float(error) == pytest.approx(0.5 if kind == "l1" else 0.04 + 0.09, abs=1e-5)


def test_the_objective_is_hinge_and_the_weighted_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_small("fastgan", SHAPE, reconstruction_weight=3.0)
    monkeypatch.setattr(model, "reconstruction_error", lambda images, maps, stream: 0.5)
    real, fake = (Samples(image_batch(4, seed, SHAPE)) for seed in (0, 1))
    loss, metrics = model.discriminator_objective(real, fake, "x")
    logits = [model.logits(samples).numpy() for samples in (real, fake)]
    hinge = np.maximum(0, 1 - logits[0]).mean() + np.maximum(0, 1 + logits[1]).mean()
    assert float(loss) == pytest.approx(hinge + 1.5, rel=1e-4)
    assert metrics["reconstruction_error"] == 0.5 and logits[0].shape == (4, 1, 1, 1)


def test_decoders_train_with_the_discriminator() -> None:
    model = make_small("fastgan", SHAPE)
    assert {"generator", "discriminator", "decoders"} == set(model.networks())
    assert model.trained_by()["discriminator_optimizer"][1] is model.decoders


def test_augmentation_is_on_but_for_points() -> None:
    assert make_small("fastgan").config.augment == "color,translation"
    given = registry.parse_settings("fastgan", ["augment=none"])
    assert make_small("fastgan", **given).config.augment == "none"
    points = make_small("fastgan", (1, 1, 2))
    assert points.config.augment == "none" and points.config.network == "mlp"


def test_lookahead_moves_the_decoders_back_too() -> None:
    model = make_small("fastgan", SHAPE, lookahead=5)
    trained = [
        w for group in model.trained_by().values() for n in group for w in n.trainable_weights
    ]
    assert len(model.lookahead.variables) == len(trained)
    assert any(w is v for w in trained for v in model.decoders.trainable_weights)
