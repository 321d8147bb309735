"""Generators from latents and labels."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np
import pytest
from helpers import SMALL_GAN, image_batch, make_small

from tfgan2.errors import UserError
from tfgan2.models import CGAN, DCGAN, latent


def test_batch_size_does_not_change_the_images() -> None:
    model = DCGAN(**SMALL_GAN)
    latents = model.draw_latents(10, seed=1)
    np.testing.assert_allclose(
        model.generate(latents, batch_size=4), model.generate(latents), atol=1e-6
    )
    with pytest.raises(UserError, match=r"latents must have the shape \(count, 6\)"):
        model.generate(np.zeros((2, 5)))


def test_generate_with_labels() -> None:
    model = make_small("cgan")
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
        make_small("gan").generate(latents, np.zeros(4, int))
    model.compile()
    with pytest.raises(UserError, match="CGAN needs images with labels"):
        model.train_step(image_batch(8))


def test_standing_statistics_count_all_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CGAN((8, 8, 1), base_channels=4, latent_dim=6, num_classes=100)
    counted: list[np.ndarray] = []

    def count(network: keras.Model, batches: Iterable[list[np.ndarray]]) -> None:
        counted.extend(labels for _, labels in batches)

    monkeypatch.setattr(latent, "recompute_statistics", count)
    model.standing_generator(3)
    np.testing.assert_array_equal(np.concatenate(counted), np.arange(192) % 100)
