"""The fixed mixing and the discriminators of Projected GANs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfgan2.networks.layers import LayerMaker
from tfgan2.networks.projected import discriminators, mixed

CHANNELS = (3, 2, 5, 4)


def pyramid(edge: int = 32) -> keras.Model:
    """Four outputs of different channels, at 1/4 to 1/32 of the image."""
    image = keras.Input((edge, edge, 3))
    outputs = []
    for level, channels in enumerate(CHANNELS):
        pooled = keras.layers.AveragePooling2D(4 * 2**level)(image)
        outputs.append(keras.layers.Conv2D(channels, 1, kernel_initializer="ones")(pooled))
    return keras.Model(image, outputs)


def convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    size, (_, height, width, _) = len(kernel), x.shape
    x = np.pad(x, ((0, 0), (size // 2, size // 2), (size // 2, size // 2), (0, 0)))
    return sum(
        x[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(size) for j in range(size)
    )


def doubled(x: np.ndarray) -> np.ndarray:
    """Twice as large, by Pillow."""
    size = (2 * x.shape[2], 2 * x.shape[1])
    planes = np.moveaxis(x, 3, 1).astype(np.float32)
    larger = [
        [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR)) for plane in y]
        for y in planes
    ]
    return np.moveaxis(np.array(larger), 1, 3)


def test_mixing_is_that_of_the_paper() -> None:
    network = mixed(pyramid(), 4, seed=3)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    features = [output.numpy() for output in pyramid()(images)]
    kernels = [weight for weight in network.get_weights() if weight.ndim == 4 and weight.std() > 0]
    ones = [kernel for kernel in kernels if kernel.shape[:2] == (1, 1)]
    threes = [kernel for kernel in kernels if kernel.shape[:2] == (3, 3)]
    across = {kernel.shape[2:]: kernel for kernel in ones}
    scales = {kernel.shape[2:]: kernel for kernel in threes}
    assert len(across) == 4 and len(scales) == 3
    expected: list[np.ndarray] = []
    for level in (3, 2, 1, 0):
        width = 4 * 2**level
        y = convolved(features[level], across[CHANNELS[level], width])
        if expected:
            y = y + doubled(convolved(expected[0], scales[2 * width, width]))
        expected.insert(0, y)
    for ours, theirs in zip(network(images), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_mixing_depends_on_the_seed_alone_and_is_frozen() -> None:
    weights = [mixed(pyramid(), 64, seed).get_weights() for seed in (0, 0, 1)]
    one, same, other = weights
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert not mixed(pyramid(), 4, 0).trainable_variables
    # He et al. 2015: features keep their size.
    kernel = max(weights[0], key=np.size)
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * kernel.shape[2])), rel=0.02)


@pytest.mark.parametrize(("size", "edge"), [(256, 4), (224, 4), (96, 2), (32, 1)])
def test_all_discriminators_have_logits_of_one_size(size: int, edge: int) -> None:
    shapes = [(size // 4 // 2**n, size // 4 // 2**n, 2 * 2**n) for n in range(4)]
    network = discriminators(shapes, LayerMaker(0, norm="batch", spectral=True))
    assert network.output_shape == (None, edge, edge, 4)
    convolutions = [x for x in network.layers if hasattr(x, "layer") or hasattr(x, "kernel")]
    assert len(convolutions) == 4 + 3 + 2 + 1 + 4
    assert all("SpectralNorm" in type(layer).__name__ for layer in convolutions)


def test_each_discriminator_sees_its_resolution_only() -> None:
    shapes = [(8, 8, 2), (4, 4, 4), (2, 2, 8), (1, 1, 16)]
    network = discriminators(shapes, LayerMaker(0, norm="batch", spectral=True), packing=2)
    packed = [(2, height, width, 2 * channels) for height, width, channels in shapes]
    inputs = [tf.random.stateless_normal(shape, (0, n)) for n, shape in enumerate(packed)]
    for level in range(4):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs)
            logits = network(inputs, training=False)[..., level]
        gradients = tape.gradient(logits, inputs, unconnected_gradients="zero")
        assert [bool(tf.reduce_any(g != 0)) for g in gradients] == [n == level for n in range(4)]
