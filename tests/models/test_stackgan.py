"""StackGAN: images from sentences, in two stages."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import batch_for, make_small, tensors_for

from tfgan2.errors import UserError
from tfgan2.models.stackgan import STAGE_ONE, STAGE_TWO, TEXT, StackGAN, text_loss
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
    indices = tf.constant([[2, 3], [2, 4], [5, 0], [6, 7]])
    calls = []

    def discriminator(inputs: list[tf.Tensor], training: bool) -> tf.Tensor:
        calls.append(inputs)
        real, own = inputs[0] is images, inputs[1] is text
        return tf.fill((4, 1), 2.0 if real and own else -1.0 if own else 0.5)

    loss, metrics = model.discriminator_objective(discriminator, images, fake, text, indices)
    assert [x[0] is images for x in calls] == [True, False, True]
    np.testing.assert_array_equal(calls[2][1], np.roll(text, 1, axis=0))
    entropy = losses.sigmoid_cross_entropy
    fakes = [entropy(tf.constant(logit), 0.0) for logit in (-1.0, 0.5)]
    expected = entropy(tf.constant(2.0), 1.0) + 0.5 * (fakes[0] + fakes[1])
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(metrics["mismatched_score"]) == pytest.approx(1 / (1 + np.exp(-0.5)))


@pytest.mark.parametrize("sentences", [[2, 3, 3, 2, 2, 4], [2, 2, 2, 2, 2, 2]])
def test_a_sentence_of_the_image_itself_is_no_mismatch(sentences: list[int]) -> None:
    images, fake, text = tf.ones((6, 8, 8, 1)), tf.zeros((6, 8, 8, 1)), tf.zeros((6, 4))
    indices = tf.constant([[each, 1] for each in sentences])
    answers = np.linspace(-2, 2, 18).reshape(3, 6, 1).astype(np.float32)
    turn = iter(answers)
    loss, metrics = StackGAN.discriminator_objective(
        lambda inputs, training: tf.constant(next(turn)), images, fake, text, indices
    )
    real, wrong, mismatched = answers.astype(np.float64)[..., 0]
    kept = np.array(sentences) != np.roll(sentences, 1)
    expected = np.log1p(np.exp(-real)).mean() + 0.5 * np.log1p(np.exp(wrong)).mean()
    score = 0.0
    if kept.any():
        expected += 0.5 * np.log1p(np.exp(mismatched[kept])).mean()
        score = (1 / (1 + np.exp(-mismatched[kept]))).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(metrics["mismatched_score"]) == pytest.approx(score, rel=1e-5)


def test_images_of_the_same_caption_are_no_wrong_answers() -> None:
    rng = np.random.default_rng(0)
    texts, seen = (rng.normal(size=(4, 3)) for _ in range(2))
    texts[2] = texts[0]
    indices = tf.constant([[2, 3], [2, 4], [2, 3], [3, 2]])
    loss = text_loss(tf.constant(texts, tf.float32), tf.constant(seen, tf.float32), indices)
    similarity = texts @ seen.T / 0.1
    similarity[0, 2] = similarity[2, 0] = -np.inf
    own = np.diag(similarity)
    each = [np.logaddexp.reduce(similarity, axis=axis) - own for axis in (0, 1)]
    assert float(loss) == pytest.approx(np.mean(each), rel=1e-4)
    alone = text_loss(
        *(tf.constant(x, tf.float32) for x in (texts, seen)), tf.ones((4, 2), tf.int32)
    )
    assert float(alone) == 0.0


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


def test_one_text_is_for_all_latents() -> None:
    model = make_small("stackgan")
    latents = model.draw_latents(3)
    expected = model.generate(latents, ["a bright picture"] * 3)
    np.testing.assert_array_equal(model.generate(latents, "a bright picture"), expected)
    with pytest.raises(UserError, match="3 latents need as many texts, not 2"):
        model.generate(latents, ["a bright picture"] * 2)
