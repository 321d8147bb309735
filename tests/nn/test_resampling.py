"""Resampling by [1, 3, 3, 1] against sums by NumPy; the learned basis."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn.resampling import Basis, Downsampled, Upsampled, blur, downsampled, upsampled

TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 8.0
IMAGES = np.random.default_rng(0).normal(size=(2, 6, 4, 3)).astype(np.float32)


def along(images: np.ndarray, function: object) -> np.ndarray:
    """Applies a function of a row along both spatial axes."""
    for axis in (1, 2):
        images = np.apply_along_axis(function, axis, images)
    return images


@pytest.mark.parametrize("padding", [(2, 2), (1, 1), (2, 1)])
def test_blur_is_the_filter_with_zeros_around(padding: tuple[int, int]) -> None:
    expected = along(IMAGES, lambda row: np.convolve(np.pad(row, padding), TAPS, "valid"))
    np.testing.assert_allclose(blur(tf.constant(IMAGES), padding), expected, atol=1e-6)


def test_upsampling_filters_pixels_between_zeros() -> None:
    def up(row: np.ndarray) -> np.ndarray:
        spread = np.zeros(2 * len(row))
        spread[::2] = row
        return np.convolve(np.pad(spread, (2, 1)), 2 * TAPS, "valid")

    made = upsampled(tf.constant(IMAGES))
    assert made.shape == (2, 12, 8, 3)
    np.testing.assert_allclose(made, along(IMAGES, up), atol=1e-6)


def test_downsampling_takes_every_second_filtered_pixel() -> None:
    expected = along(IMAGES, lambda row: np.convolve(np.pad(row, 1), TAPS, "valid")[::2])
    np.testing.assert_allclose(downsampled(tf.constant(IMAGES)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "function", "shape"),
    [(Upsampled, upsampled, (12, 8, 3)), (Downsampled, downsampled, (3, 2, 3))],
)
def test_layers(layer: type, function: object, shape: tuple[int, int, int]) -> None:
    np.testing.assert_array_equal(layer()(IMAGES), function(tf.constant(IMAGES)))
    assert layer()(keras.Input(IMAGES.shape[1:])).shape == (None, *shape)


@pytest.mark.parametrize("function", [upsampled, downsampled])
def test_mirrored_images_give_mirrored_ones(function: object) -> None:
    for axis in (1, 2):
        expected = np.flip(function(tf.constant(IMAGES)), axis)
        np.testing.assert_allclose(function(np.flip(IMAGES, axis)), expected, atol=1e-6)


def test_constant_images_stay_constant_inside() -> None:
    ones = tf.ones((1, 8, 8, 1))
    np.testing.assert_allclose(upsampled(ones)[:, 1:-1, 1:-1], 1.0, atol=1e-6)
    np.testing.assert_allclose(downsampled(ones)[:, 1:-1, 1:-1], 1.0, atol=1e-6)


def test_basis_is_learned_and_saved() -> None:
    layer = Basis((2, 3), keras.initializers.RandomNormal(stddev=1.0, seed=1))
    vector = tf.constant(IMAGES[:, :1, :1])
    images = layer(vector)
    assert images.shape == (2, 2, 3, 3) and layer.trainable_weights == [layer.basis]
    np.testing.assert_allclose(images, vector * layer.basis.numpy())
    again = Basis.from_config(layer.get_config())
    np.testing.assert_array_equal(again(vector), images)


@pytest.mark.parametrize("function", [upsampled, downsampled, lambda x: blur(x, (2, 1))])
def test_derivatives_are_those_of_a_linear_map_without_the_slow_op(function: object) -> None:
    images = tf.constant(IMAGES)
    shape = function(images).shape
    weights, direction = tf.random.normal(shape, seed=1), tf.random.normal(IMAGES.shape, seed=2)

    @tf.function
    def derivatives(images: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as outer:
            outer.watch(weights)
            with tf.GradientTape() as inner:
                inner.watch(images)
                outputs = function(images)
            first = inner.gradient(outputs, images, weights)
        return outputs, first, outer.gradient(first, weights, direction)

    outputs, first, second = derivatives(images, weights)
    dots = tf.reduce_sum(outputs * weights), tf.reduce_sum(images * first)
    np.testing.assert_allclose(*dots, rtol=1e-4)
    np.testing.assert_allclose(second, function(direction), atol=1e-5)
    graph = derivatives.get_concrete_function(images, weights).graph
    assert "StridedSliceGrad" not in {op.type for op in graph.get_operations()}
