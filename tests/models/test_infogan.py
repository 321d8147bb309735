"""InfoGAN: codes without labels."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from helpers import SMALL_GAN, image_batch

from tfgan2.errors import UserError
from tfgan2.models import InfoGAN
from tfgan2.models.regularizers import Samples


def test_information_loss_by_hand() -> None:
    model = InfoGAN(**SMALL_GAN, categories=3, codes=2, category_weight=0.7, code_weight=0.5)
    latents = tf.constant([[0.0, 0, 0, 0, 0.5, -1.0], [0.0, 0, 0, 0, 1.0, 0.25]])
    fake = Samples(image_batch(2), tf.constant([2, 0]), latents)
    predictions = {
        "category": tf.constant([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]),
        "codes": tf.constant([[0.5, 0.0], [0.0, 0.25]]),
    }
    category = (-np.log(np.e / (np.e + 2)) + np.log(3)) / 2
    code = 0.5 * (1.0 + 1.0) / 2
    loss, parts = model.information_loss(predictions, fake)
    assert float(loss) == pytest.approx(0.7 * category + 0.5 * code, abs=1e-5)
    assert float(parts["category_loss"]) == pytest.approx(category, abs=1e-5)
    assert float(parts["code_loss"]) == pytest.approx(code, abs=1e-5)


def test_categories_are_drawn_and_latents_are_uniform() -> None:
    model = InfoGAN(**SMALL_GAN, categories=4)
    fake = model.fake_samples(Samples(image_batch(200)), "test")
    assert set(fake.labels.numpy()) == {0, 1, 2, 3}
    assert np.abs(fake.latents).max() <= 1 and float(tf.math.reduce_std(fake.latents)) < 0.7
    assert np.abs(model.draw_latents(100)).max() <= 1
    without = InfoGAN(**SMALL_GAN, categories=0, codes=1)
    assert without.num_labels == 0 and len(without.generator.inputs) == 1
    assert list(without.views()) == ["code-1"]
    with pytest.raises(UserError, match=r"categories \+ codes must be at least 1"):
        InfoGAN(**SMALL_GAN, categories=0, codes=0)


def test_a_traversal_changes_one_code_along_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    model = InfoGAN(**SMALL_GAN, categories=3, codes=2)
    calls: list[tuple[np.ndarray, np.ndarray | None]] = []
    generate = model.generate

    def spy(latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        calls.append((latents, labels))
        return generate(latents, labels)

    monkeypatch.setattr(model, "generate", spy)
    views = model.views()
    assert list(views) == ["category", "code-1", "code-2"]
    assert views["category"].columns == 3
    for index, (latents, labels) in enumerate(calls[1:]):
        rows = latents.reshape(-1, 10, 6)
        changes = np.ptp(rows, axis=1) > 0
        assert changes[:, 4 + index].all() and changes.sum() == len(rows)
        assert (np.ptp(labels.reshape(-1, 10), axis=1) == 0).all()
