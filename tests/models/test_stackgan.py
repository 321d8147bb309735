"""StackGAN: images from sentences, in two stages."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import batch_for, make_small, tensors_for

from tfgan2.errors import UserError
from tfgan2.models.stackgan import STAGE_ONE, STAGE_TWO, TEXT, StackGAN
from tfgan2.nn import losses


def compiled(**more: object) -> StackGAN:
    model = make_small("stackgan", **more)
    model.compile()
    return model


def step(model: StackGAN, phase: str) -> dict[str, tf.Tensor]:
    model.phase = phase
    return model.train_step(tensors_for(model))


def parts_of(model: StackGAN) -> dict[str, keras.Model]:
    return {
        "text encoder": model.text_encoder,
        "image encoder": model.image_encoder,
        **{f"condition {n}": part for n, part in enumerate(model.conditions, 1)},
        **{f"stage {n}": part for n, part in enumerate(model.stages, 1)},
        **{f"discriminator {n}": part for n, part in enumerate(model.discriminators, 1)},
    }


@pytest.mark.parametrize(
    ("phase", "trained"),
    [
        (TEXT, {"text encoder", "image encoder"}),
        (STAGE_ONE, {"condition 1", "stage 1", "discriminator 1"}),
        (STAGE_TWO, {"condition 2", "stage 2", "discriminator 2"}),
    ],
)
def test_a_phase_trains_its_networks_and_freezes_the_others(phase: str, trained: set[str]) -> None:
    model = compiled()
    before = {name: part.get_weights() for name, part in parts_of(model).items()}
    step(model, phase)
    changed = {
        name
        for name, part in parts_of(model).items()
        # Batch statistics too: a frozen stage must always make the same images.
        if any(
            not np.array_equal(a, b) for a, b in zip(before[name], part.get_weights(), strict=True)
        )
    }
    assert changed == trained


@pytest.mark.parametrize("phase", [STAGE_ONE, STAGE_TWO])
def test_generator_loss_is_the_sum_of_its_terms(phase: str) -> None:
    metrics = step(compiled(kl_weight=3.0), phase)
    expected = metrics["adversarial_loss"] + 3 * metrics["kl_loss"]
    assert float(metrics["kl_loss"]) > 0
    assert float(metrics["generator_loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_mismatched_sentences_are_half_of_the_fakes() -> None:
    model = compiled()
    images, fake = tf.ones((4, 8, 8, 1)), -tf.ones((4, 8, 8, 1))
    text = tf.reshape(tf.range(4 * model.config.text_dim, dtype=tf.float32), (4, -1))
    calls = []

    def discriminator(inputs: list[tf.Tensor], training: bool) -> tf.Tensor:
        calls.append(inputs)
        real, own = inputs[0] is images, inputs[1] is text
        return tf.fill((4, 1), 2.0 if real and own else -1.0 if own else 0.5)

    loss, metrics = model.discriminator_objective(discriminator, images, fake, text)
    assert [x[0] is images for x in calls] == [True, False, True]
    np.testing.assert_array_equal(calls[2][1], np.roll(text, 1, axis=0))
    entropy = losses.sigmoid_cross_entropy
    fakes = [entropy(tf.constant(logit), 0.0) for logit in (-1.0, 0.5)]
    expected = entropy(tf.constant(2.0), 1.0) + 0.5 * (fakes[0] + fakes[1])
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(metrics["mismatched_score"]) == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_a_batch_of_one_is_refused() -> None:
    model = compiled()
    with pytest.raises(UserError, match="--batch-size of 2 or more"):
        model.check_batch_size(1)
    with pytest.raises(UserError, match=r"a batch of 1 is too small .* of 2 or more"):
        model.train_step(batch_for(model, 1))


def test_the_first_plan_fixes_the_phases() -> None:
    model = make_small("stackgan", text_steps=None, stage_one_steps=None)
    model.plan(100)
    assert (model.get_config()["text_steps"], model.get_config()["stage_one_steps"]) == (10, 45)
    model.plan(1000)
    starts = [
        next(s for s in range(1000) if model.phase_at(s) == p) for p in (STAGE_ONE, STAGE_TWO)
    ]
    assert starts == [10, 55]
