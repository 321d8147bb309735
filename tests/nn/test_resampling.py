"""Resampling by [1, 2, 1], against NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn.resampling import Basis, LinearDownsampling, LinearUpsampling

IMAGES = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype(np.float32)


def upsampled(rows: np.ndarray) -> np.ndarray:
    """Doubles the first axis."""
    result = np.repeat(rows, 2, axis=0)
    result[1:-1:2] = (rows[:-1] + rows[1:]) / 2
    return result


def downsampled(rows: np.ndarray) -> np.ndarray:
    """Halves the first axis."""
    padded = np.concatenate([rows[:1], rows])
    return (padded[:-1:2] + 2 * padded[1::2] + padded[2::2]) / 4


@pytest.mark.parametrize(
    ("layer", "along_rows"), [(LinearUpsampling, upsampled), (LinearDownsampling, downsampled)]
)
def test_both_directions(layer: type, along_rows: object) -> None:
    expected = np.stack(
        [along_rows(along_rows(image).swapaxes(0, 1)).swapaxes(0, 1) for image in IMAGES]
    )
    found = layer()(IMAGES)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    symbolic = layer()(keras.Input(IMAGES.shape[1:]))
    assert symbolic.shape == (None, *expected.shape[1:])


def test_constant_images_stay() -> None:
    ones = np.ones((1, 4, 4, 2), np.float32)
    assert np.array_equal(LinearUpsampling()(ones), np.ones((1, 8, 8, 2)))
    assert np.array_equal(LinearDownsampling()(ones), np.ones((1, 2, 2, 2)))


def test_basis_is_learned_and_saved() -> None:
    layer = Basis((2, 3), keras.initializers.RandomNormal(stddev=1.0, seed=1))
    vector = tf.constant(IMAGES[:, :1, :1])
    images = layer(vector)
    assert images.shape == (2, 2, 3, 3) and layer.trainable_weights == [layer.basis]
    np.testing.assert_allclose(images, vector * layer.basis.numpy())
    again = Basis.from_config(layer.get_config())
    np.testing.assert_array_equal(again(vector), images)
