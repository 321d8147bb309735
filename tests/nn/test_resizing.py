"""Cropping and resizing batches of images."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from helpers import clean_resized

from tfgan2.images import resize_matrix
from tfgan2.nn.resizing import crops, resampled, resized_by, windows


def test_resizing_keeps_constants() -> None:
    grey = tf.fill((1, 12, 12, 3), 0.25)
    result = resized_by(grey, resize_matrix(12, 5), resize_matrix(12, 30))
    assert result.shape == (1, 5, 30, 3)
    np.testing.assert_allclose(result, 0.25, atol=1e-6)


def test_each_image_is_cropped_at_its_own_position() -> None:
    images = np.random.default_rng(0).normal(size=(3, 9, 8, 2)).astype(np.float32)
    tops, lefts = [0, 4, 2], [3, 0, 1]
    result = crops(tf.constant(images), tf.constant(tops), tf.constant(lefts), 5, 4)
    for crop, image, top, left in zip(result, images, tops, lefts, strict=True):
        np.testing.assert_array_equal(crop, image[top : top + 5, left : left + 4])


def test_windows_are_crops_with_gradients() -> None:
    maps = tf.constant(np.random.default_rng(1).normal(size=(3, 6, 7, 2)).astype(np.float32))
    tops, lefts = tf.constant([0, 2, 3]), tf.constant([4, 0, 1])
    with tf.GradientTape() as tape:
        tape.watch(maps)
        cut = windows(maps, tops, lefts, 3, 2)
    np.testing.assert_allclose(cut, crops(maps, tops, lefts, 3, 2), rtol=1e-6)
    gradient = tape.gradient(cut, maps).numpy()
    for each, top, left in zip(gradient, tops.numpy(), lefts.numpy(), strict=True):
        inside = np.zeros((6, 7, 2))
        inside[top : top + 3, left : left + 2] = 1
        np.testing.assert_array_equal(each, inside)


def test_images_are_resampled_as_pillow_does() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (2, 9, 12, 3)).astype(np.float32)
    for edge in (5, 20):
        matrices = resize_matrix(9, edge), resize_matrix(12, edge)
        result = np.clip(resampled(tf.constant(images), *matrices), 0, 255)
        np.testing.assert_allclose(result, clean_resized(images, edge), atol=1e-3)
        tf.debugging.assert_near(
            resized_by(images / 127.5 - 1, *matrices), result / 127.5 - 1, atol=1e-4
        )
