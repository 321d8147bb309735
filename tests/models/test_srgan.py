"""SRGAN: super-resolution."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import batch_for, tensors_for
from PIL import Image

from tfgan2 import cli
from tfgan2.errors import UserError
from tfgan2.models import SRGAN
from tfgan2.pretrained.vgg import without_download


def test_downscaling_equals_pillow() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    small = Image.fromarray(pixels.astype(np.float32)).resize((8, 8), Image.Resampling.BICUBIC)
    model = SRGAN((32, 32, 1), base_channels=4, blocks=1)
    image = pixels.astype(np.float32)[None, ..., None] / 127.5 - 1
    images = model.downscaled(tf.constant(image)).numpy()[0, ..., 0]
    np.testing.assert_allclose(images, np.clip(np.asarray(small) / 127.5 - 1, -1, 1), atol=1e-5)


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
    assert set(model.train_step(tensors_for(model))) == {"generator_loss", "content_loss"}
    for one, other in zip(before, model.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    images = model.run_generator(model.generator, model.inputs_of(batch_for(model)))
    assert images.shape == (8, 16, 16, 1)


def test_impossible_options_are_refused() -> None:
    for options, message in (
        ({"scale": 3}, "scale must be one of 2, 4"),
        ({"image_shape": (18, 18, 1)}, "must be multiples of 4, 4 or more, not 18x18"),
        ({"content": "vgg"}, "needs RGB images of 32 pixels"),
    ):
        with pytest.raises(UserError, match=message):
            SRGAN(**{"image_shape": (16, 16, 1), "base_channels": 4, **options})


@pytest.mark.slow
def test_vgg_content_trains() -> None:
    with without_download():
        model = SRGAN((32, 32, 3), base_channels=4, blocks=1, content="vgg")
        model.compile()
    assert all("block5" not in variable.path for variable in model.variables)
    assert [network.trainable_variables for network in model.frozen_networks()] == [[]]
    rng = np.random.default_rng(0)
    metrics = model.train_step(rng.uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32))
    assert np.isfinite(float(metrics["content_loss"]))


def test_only_training_downloads_vgg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vgg19 = keras.applications.VGG19

    def offline(weights: str | None, **options: object) -> keras.Model:
        if weights is not None:
            raise OSError("no network")
        return vgg19(weights=None, **options)

    monkeypatch.setattr(keras.applications, "VGG19", offline)
    model = SRGAN((32, 32, 3), base_channels=4, blocks=1, content="vgg")
    with pytest.raises(UserError, match="weights of VGG19 cannot be downloaded"):
        model.compile()
    out = tmp_path / "run"
    settings = ["--set", "content=vgg", "--set", "base_channels=4", "--set", "blocks=1"]
    words = f"fit srgan --dataset digits --channels 3 --image-size 32 --out {out}"
    assert cli.run([*words.split(), *settings]) == 2
    assert not out.exists()
    capsys.readouterr()
    assert cli.run(["info", "srgan", "--preset", "paper", *settings[2:]]) == 0
    assert "expected time" in capsys.readouterr().out


def test_the_first_phase_trains_on_one_batch() -> None:
    model = SRGAN((16, 16, 1), base_channels=4, blocks=1, d_steps=3)
    model.compile()
    model.phase = "content"
    seen, fake_samples = [], model.fake_samples
    model.fake_samples = lambda real, *more: (seen.append(real.images), fake_samples(real, *more))[
        1
    ]
    images = batch_for(model, 2)[0]
    metrics = model.train_step(tf.constant(images))
    assert set(metrics) == {"generator_loss", "content_loss"}
    np.testing.assert_array_equal(np.concatenate(seen), images[4:])
