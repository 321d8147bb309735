"""StyleGAN2's layers and path lengths against NumPy, and second derivatives."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn.resampling import blur
from tfgan2.nn.style import (
    Constant,
    MinibatchDeviation,
    ModulatedConv2D,
    Noise,
    Normalized,
    StyleMean,
    path_lengths,
)

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


IMAGES, STYLES = normal(3, 4, 6, 5), normal(3, 5)


def kernels_by_hand(layer: ModulatedConv2D) -> np.ndarray:
    """The modulated, demodulated kernel of each sample, shape (samples, *kernel)."""
    kernel = layer.kernel.numpy().astype(np.float64)
    kernel = kernel / np.sqrt(np.prod(kernel.shape[:3])) * STYLES[:, None, None, :, None]
    if layer.demodulate:
        kernel /= np.sqrt((kernel**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    return (layer.gain * kernel if layer.demodulate else kernel).astype(np.float32)


@pytest.mark.parametrize("demodulate", [True, False])
def test_scaling_features_is_a_kernel_for_each_sample(demodulate: bool) -> None:
    layer = ModulatedConv2D(
        7, 3, demodulate=demodulate, gain=1.5 if demodulate else 1.0, bias_initializer="ones"
    )
    outputs = layer(IMAGES, STYLES)
    for image, kernel, output in zip(IMAGES, kernels_by_hand(layer), outputs, strict=True):
        expected = tf.nn.conv2d(image[None], kernel, 1, "SAME")[0] + layer.gain
        np.testing.assert_allclose(output, expected, atol=1e-5)


def test_demodulated_features_have_the_size_of_the_input() -> None:
    layer = ModulatedConv2D(64, 3, kernel_initializer="random_normal")
    images = normal(2, 16, 16, 64)
    outputs = np.asarray(layer(images, 100.0 * normal(2, 64)))[:, 1:-1, 1:-1]
    assert np.std(outputs) == pytest.approx(1.0, abs=0.1)


def test_upsampling_is_a_transposed_convolution_and_the_filter() -> None:
    layer = ModulatedConv2D(7, 3, upsample=True, use_bias=False)
    outputs = layer(IMAGES, STYLES)
    assert outputs.shape == (3, 8, 12, 7)
    for image, kernel, output in zip(IMAGES, kernels_by_hand(layer), outputs, strict=True):
        spread = np.zeros((1, 2 * 4 + 1 + 2, 2 * 6 + 1 + 2, 5), np.float32)
        spread[0, 2:-2:2, 2:-2:2] = image
        flipped = kernel[::-1, ::-1]
        expected = 4 * blur(tf.nn.conv2d(spread, flipped, 1, "VALID"), (1, 1))[0]
        np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize("upsample", [True, False])
def test_large_styles_do_not_overflow_in_float16(upsample: bool) -> None:
    layer = ModulatedConv2D(7, 3, upsample=upsample, gain=2.0**0.5, dtype="mixed_float16")
    large = 1e3 * STYLES
    outputs = layer(100 * IMAGES, large)
    assert outputs.dtype == tf.float16
    exact = ModulatedConv2D(7, 3, upsample=upsample, gain=2.0**0.5)
    exact.build(IMAGES.shape)
    exact.set_weights(layer.get_weights())
    expected = np.clip(exact(100 * IMAGES, large), -256, 256)
    np.testing.assert_allclose(outputs, expected, rtol=2e-2, atol=0.5)


def test_second_derivatives_of_modulation_are_those_of_finite_differences() -> None:
    layer = ModulatedConv2D(3, 3, upsample=True, gain=2.0**0.5)
    layer.build(IMAGES.shape)
    direction = tf.constant(normal(3, 8, 12, 3))

    def squares(styles: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(styles)
            product = tf.reduce_sum(layer(IMAGES, styles) * direction)
        return tf.reduce_sum(tape.gradient(product, styles) ** 2)

    styles, step = tf.constant(STYLES), 1e-2
    with tf.GradientTape() as tape:
        tape.watch(styles)
        value = squares(styles)
    gradient = tape.gradient(value, styles).numpy()
    for sample, channel in ((0, 0), (1, 3), (2, 4)):
        change = np.zeros_like(STYLES)
        change[sample, channel] = step
        difference = squares(styles + change) - squares(styles - change)
        found = float(difference) / (2 * step)
        assert gradient[sample, channel] == pytest.approx(found, rel=2e-2, abs=0.1)


def test_rows_are_divided_by_their_root_mean_square() -> None:
    rows = 5.0 * normal(3, 8)
    expected = rows / np.sqrt((rows**2).mean(axis=1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(Normalized()(rows), expected, atol=1e-5)


def test_a_constant_is_the_same_for_all() -> None:
    layer = Constant((4, 6, 5))
    images = layer(STYLES)
    np.testing.assert_array_equal(images[0], layer.image)
    assert layer.compute_output_shape(STYLES.shape) == (3, 4, 6, 5)


@pytest.mark.parametrize("constant", [True, False])
def test_noise_has_a_learned_strength(constant: bool) -> None:
    layer, noise = Noise(constant=constant, gain=1.5), normal(3, 4, 6, 1)
    np.testing.assert_array_equal(layer(IMAGES, noise=noise), IMAGES)  # 0 at first
    layer.strength.assign(0.2)
    np.testing.assert_allclose(layer(IMAGES, noise=noise), IMAGES + 0.3 * noise, atol=1e-6)
    added = 0.3 * layer.constant.numpy() if constant else 0.0
    np.testing.assert_allclose(layer(IMAGES), IMAGES + added, atol=1e-6)
    assert len(layer.trainable_variables) == 1


def test_styles_pass_the_mean_style() -> None:
    layer = StyleMean()
    np.testing.assert_array_equal(layer(STYLES), STYLES)
    assert layer.mean.shape == (5,) and not layer.trainable_variables


def test_deviation_of_consecutive_samples() -> None:
    features = normal(6, 2, 2, 5)
    outputs = MinibatchDeviation(3)(features)
    assert outputs.shape == (6, 2, 2, 6)
    np.testing.assert_array_equal(outputs[..., :5], features)
    for group in (slice(0, 3), slice(3, 6)):
        expected = np.sqrt(features[group].var(axis=0) + 1e-8).mean()
        np.testing.assert_allclose(outputs[group, ..., 5], expected, atol=1e-5)
    whole = MinibatchDeviation(3)(features[3:])
    np.testing.assert_allclose(whole, outputs[3:], atol=1e-6)  # a micro-batch of whole groups


# --- path lengths --------------------------------------------------------------------------------

LAYERS, DIM = 2, 3
WEIGHTS = normal(LAYERS, DIM, 4, 4, 1)
TWO_STYLES, DIRECTIONS = normal(5, LAYERS, DIM), normal(5, 4, 4, 1)


def linear(styles: tf.Tensor, weights: np.ndarray | tf.Tensor = WEIGHTS) -> tf.Tensor:
    return tf.einsum("bld,ldhwc->bhwc", styles, weights)


def test_lengths_of_a_linear_generator() -> None:
    gradients = np.einsum("ldhwc,bhwc->bld", WEIGHTS, DIRECTIONS) / np.sqrt(16)
    expected = np.sqrt((gradients**2).sum(axis=2).mean(axis=1))
    lengths = path_lengths(linear, tf.constant(TWO_STYLES), tf.constant(DIRECTIONS))
    np.testing.assert_allclose(lengths, expected, atol=1e-5)


def test_weights_get_the_derivative_of_the_lengths() -> None:
    weights = tf.constant(WEIGHTS)

    def penalty(weights: tf.Tensor) -> tf.Tensor:
        lengths = path_lengths(
            lambda w: tf.tanh(linear(w, weights)), tf.constant(TWO_STYLES), tf.constant(DIRECTIONS)
        )
        return tf.reduce_mean((lengths - 0.5) ** 2)

    with tf.GradientTape() as tape:
        tape.watch(weights)
        value = penalty(weights)
    gradient, step = tape.gradient(value, weights).numpy(), 1e-2
    for index in ((0, 0, 0, 0, 0), (1, 2, 3, 1, 0), (0, 1, 2, 2, 0)):
        change = np.zeros_like(WEIGHTS)
        change[index] = step
        found = float(penalty(weights + change) - penalty(weights - change)) / (2 * step)
        assert gradient[index] == pytest.approx(found, rel=2e-2, abs=1e-4)


def test_a_generator_that_ignores_its_styles_has_finite_gradients() -> None:
    scale = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        lengths = path_lengths(
            lambda w: scale * linear(w), tf.constant(TWO_STYLES), tf.constant(DIRECTIONS)
        )
        value = tf.reduce_mean((lengths - 1.0) ** 2)
    assert np.isfinite(float(value)) and np.isfinite(float(tape.gradient(value, scale)))


def test_layers_survive_serialization() -> None:
    for layer in (
        ModulatedConv2D(3, 3, upsample=True, gain=1.5),
        Noise(constant=True, gain=1.5),
        Constant((4, 4, 2)),
        MinibatchDeviation(2),
    ):
        copy = keras.layers.deserialize(keras.layers.serialize(layer))
        assert copy.get_config() == layer.get_config()
