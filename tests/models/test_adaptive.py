"""LeCam and adaptive augmentation in a game: their state follows the logits."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from helpers import PLAIN_SGD, fit, image_batch, make_small

from tfgan2 import cli, registry
from tfgan2.errors import UserError
from tfgan2.models.regularizers import Samples
from tfgan2.nn import losses
from tfgan2.training import checkpoints, stats


def test_lecam_averages_follow_the_mean_logits() -> None:
    model = make_small("lsgan", lecam=0.3, d_steps=2)
    model.compile()
    real = fake = 0.0
    for step in range(4):
        for index, images in enumerate(model.divided(image_batch(16, seed=step))):
            past = 2 * step + index
            decay = min(0.99, past / (past + 1))
            samples = model.fake_samples(images, "latents")
            metrics = model.update_discriminator(images, samples)
            real = decay * real + (1 - decay) * float(metrics["real_logit"])
            fake = decay * fake + (1 - decay) * float(metrics["fake_logit"])
        assert [float(each) for each in model.lecam.averages] == pytest.approx(
            [real, fake], abs=1e-5
        )
        model.step.assign_add(1)


def test_the_preset_for_few_images_has_lecam_with_a_hinge_loss_alone() -> None:
    """docs/fit.md has the figures: with other losses it makes images worse."""
    for name in registry.FLAVOURS:
        flavour = registry.load_class(name)
        few = flavour.Config.presets.get("few", {})
        assert ("lecam" in few) == bool(few and flavour.gan_loss is losses.HINGE), name
        augment = "none" if "ada" in few else "color,translation"
        assert few.get("augment", augment) == augment


def test_lecam_adds_to_the_loss_once_there_are_averages() -> None:
    model, plain = make_small("gan", lecam=0.3), make_small("gan")
    model.lecam.averages[0].assign(1.5)
    model.lecam.averages[1].assign(-0.5)
    logits = tf.constant([[0.5], [2.0]]), tf.constant([[-1.0], [0.25]])
    without = float(plain.discriminator_loss(*logits, "test"))
    assert float(model.discriminator_loss(*logits, "test")) == without  # no update yet
    model.lecam.updates.assign(1)
    # ((0.5 + 0.5)² + (2 + 0.5)²) / 2 + ((-1 - 1.5)² + (0.25 - 1.5)²) / 2
    added = 0.3 * ((1.0 + 6.25) / 2 + (6.25 + 1.5625) / 2)
    assert float(model.discriminator_loss(*logits, "test")) == pytest.approx(without + added)


def test_p_moves_every_four_updates_by_the_images_since() -> None:
    model = make_small("gan", ada=0.6, ada_images=1000)
    p, seen = 0.0, []
    rng = np.random.default_rng(0)
    for update in range(24):
        signs = float(rng.uniform(0.4, 0.9 if update < 16 else 0.5))
        moved = model.ada.update({"ada_rt": tf.constant(signs)}, 10)
        seen.append(signs)
        if len(seen) == 4:
            p = float(np.clip(p + np.sign(np.mean(seen) - 0.6) * 40 / 1000, 0, 1))
            seen = []
        assert float(moved["ada_p"]) == pytest.approx(p, abs=1e-5)
    assert p > 0


@pytest.mark.parametrize(
    ("name", "expected"), [("gan", 0.0), ("sngan", 0.0), ("lsgan", -0.5), ("acgan", 0.0)]
)
def test_rt_is_the_mean_sign_beyond_the_boundary(name: str, expected: float) -> None:
    model = make_small(name, ada=0.6)
    logits = tf.constant([[0.7], [0.2], [-0.1], [-3.0]])
    assert float(model.scores(logits, -logits)["ada_rt"]) == expected


def test_real_and_generated_images_are_augmented_with_probability_p() -> None:
    model = make_small("gan", ada=0.6)
    images = Samples(image_batch(64))
    for stream in ("step: real", "step: fake", "fake for G"):
        inputs = model.discriminator_inputs(images, stream).images
        np.testing.assert_allclose(inputs, images.images, atol=1e-6)  # p begins at 0
    model.ada.p.assign(0.1)
    changed = np.abs(model.discriminator_inputs(images, "step: real").images - images.images)
    assert 20 < np.count_nonzero(changed.max(axis=(1, 2, 3)) > 1e-5) < 60


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("wgan", {"ada": 0.6}, "ada needs logits whose sign means real or generated"),
        ("wgan-gp", {"ada": 0.6}, "use augment=color,translation"),
        ("began", {"ada": 0.6}, "ada needs logits"),
        ("began", {"lecam": 0.3}, "began has no logits that lecam could regularize"),
        ("gan", {"ada": 1.5}, "ada must be from 0 to 1"),
    ],
)
def test_what_a_flavour_cannot_is_refused(name: str, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_small(name, **options)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("gan", "ada", 0.5),
        ("gan", "flip", True),
        ("gan", "augment", "cutout"),
        ("fastgan", "augment", "color"),
    ],
)
def test_points_have_neither_sides_nor_colours(name: str, option: str, value: object) -> None:
    message = f"^{option} .* not points: leave it out, or the preset that sets it$"
    with pytest.raises(UserError, match=message):
        make_small(name, (1, 1, 2), **{option: value})


@pytest.mark.slow
def test_a_run_resumes_bitwise(tmp_path: Path) -> None:
    words = (
        "gan --dataset digits --image-size 8 --no-xla --batch-size 16 --set base_channels=8 "
        "--set flip=true --set lecam=0.3 --set ada=0.6 --set ada_images=500 "
        f"--log-every 3 --sample-every 100 --checkpoint-every 7 {PLAIN_SGD}"
    )
    assert fit(tmp_path / "whole", f"{words} --steps 12") == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    checkpoints.paths(tmp_path / "parts")[0].unlink()  # 7 steps stay: within an interval of p
    assert cli.run(["fit", "--resume", str(tmp_path / "parts")]) == 0
    one, other = (checkpoints.newest(tmp_path / each) for each in ("whole", "parts"))
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(other.arrays[name], array, err_msg=name)
    by_name = {name.rpartition("/")[2]: array for name, array in one.arrays.items()}
    assert by_name["lecam_real"] != 0 and by_name["ada_updates"] == 0
    line = stats.read(tmp_path / "whole")[-1]
    assert {"ada_p", "ada_rt", "real_logit", "fake_logit"} <= line.keys()
