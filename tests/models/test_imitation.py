"""Features and int8 steps of models that imitate."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from helpers import make_small, tensors_for

from tfgan2 import create
from tfgan2.errors import UserError
from tfgan2.models import GenerativeModel


def small(name: str, **settings: object) -> GenerativeModel:
    mobile = {"network": "mobile", "dropout": 0.0} if name == "pix2pix" else {}
    return make_small(name, quantize="int8", **mobile, **settings)


def test_the_last_fifth_of_the_steps_is_in_int8() -> None:
    model = small("student")
    model.plan(10)
    assert [model.phase_at(step) for step in (0, 7, 8, 20)] == ["float"] * 2 + ["int8"] * 2
    model.plan(20)  # a longer plan does not move them
    assert model.phase_at(8) == "int8" and model.config.float_steps == 8
    assert small("student", float_steps=3).phase_at(3) == "int8"
    plain = make_small("student")
    assert plain.phase_at(0) == "" and not plain.has_phases and model.has_phases


@pytest.mark.slow
@pytest.mark.parametrize("name", ["student", "pix2pix"])
def test_a_step_in_int8_trains_the_same_weights(name: str) -> None:
    model, batch = small(name, ema_decay=0.0), tensors_for(make_small(name))
    model.compile()
    real = model.real_samples(batch)
    images = {}
    for phase in ("float", "int8"):
        model.phase = phase
        images[phase] = model.fake_samples(real, "any").images
    assert 1e-4 < np.abs(images["int8"] - images["float"]).mean() < 0.1
    before = [tf.identity(each) for each in model.generator.trainable_variables]
    metrics = model.train_step(batch)
    after = model.generator.trainable_variables
    changed = [np.abs(a - b).max() for a, b in zip(after, before, strict=True)]
    assert min(changed) > 0 and np.isfinite(float(metrics["generator_loss"]))


def test_only_the_mobile_network_is_trained_in_int8() -> None:
    with pytest.raises(UserError, match="quantize=int8 needs network=mobile"):
        make_small("pix2pix", quantize="int8")


def test_pix2pix_compares_features_when_asked() -> None:
    model, plain = make_small("pix2pix", feature_weight=5.0), make_small("pix2pix")
    assert len(model.frozen_networks()) == 1 and not plain.frozen_networks()
    model.compile()
    metrics = model.train_step(tensors_for(model))
    parts = metrics["adversarial_loss"] + 100 * metrics["l1_loss"] + 5 * metrics["feature_loss"]
    assert float(metrics["generator_loss"]) == pytest.approx(float(parts), rel=1e-5)


def test_the_mobile_network_takes_other_sizes() -> None:
    model = create("pix2pix", image_shape=(64, 96, 3), network="mobile", base_channels=4)
    assert model.size_multiple == 32 and model.generator.output_shape == (None, 64, 96, 3)
    free = model.resized(None, None)
    assert free(np.zeros((1, 32, 160, 3), np.float32)).shape == (1, 32, 160, 3)
    paper = create("pix2pix", image_shape=(64, 96, 3), base_channels=4)
    assert model.generator.count_params() < paper.generator.count_params() / 4
