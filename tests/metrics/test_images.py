"""Random convolutions and the peak signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
import pytest

from tfgan2.metrics import (
    PSNR_LIMIT,
    frechet_distance,
    psnr,
    random_convolutions,
    statistics,
)


def shapes(count=300, size=16, seed=0):
    """Discs at random places, float32 in [-1, 1]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    centres = rng.uniform(4, size - 4, (count, 2))
    far = (rows - centres[:, :1, None]) ** 2 + (columns - centres[:, 1:, None]) ** 2
    return np.where(far < 9, 1.0, -1.0).astype(np.float32)[..., None]


def distance(one, other):
    return frechet_distance(
        *statistics(random_convolutions(one)), *statistics(random_convolutions(other))
    )


@pytest.mark.slow
def test_damage_grows_with_the_distance():
    images, rng = shapes(), np.random.default_rng(1)
    noise = rng.standard_normal(images.shape).astype(np.float32)
    distances = [distance(images, images + level * noise) for level in (0, 0.01, 0.05, 0.2)]
    assert distances[0] == 0
    assert distances == sorted(distances) and distances[1] > 0
    same = distance(images, shapes(seed=7))
    assert distances[-1] > 5 * same
    for other in (0.8 * images, images[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)):
        assert distance(images, other) > 2 * same  # contrast, sharpness


@pytest.mark.parametrize("shape", [(4, 4, 1), (8, 8, 3), (11, 9, 3), (64, 64, 1), (130, 100, 3)])
def test_sizes(shape):
    images = np.random.default_rng(0).uniform(-1, 1, (3, *shape)).astype(np.float32)
    features = random_convolutions(images)
    assert features.shape == (3, 112) and features.dtype == np.float32
    assert np.isfinite(features).all() and (features.std(axis=0) > 0).mean() > 0.9
    np.testing.assert_array_equal(random_convolutions(images), features)


def test_the_space_is_what_its_name_says():
    """Distances in metadata are of this very space: a change needs another name."""
    ramp = np.linspace(-1, 1, 2 * 16 * 16, dtype=np.float32).reshape(2, 16, 16, 1)
    features = random_convolutions(ramp)
    np.testing.assert_allclose(features[0, [0, 40, 111]], FEATURES_OF_A_RAMP, atol=1e-4)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), r"not uint8: give x / 127\.5 - 1"),
        (np.zeros((8, 8, 3)), r"shape \(N, H, W, C\), not \(8, 8, 3\)"),
        (np.zeros((0, 8, 8, 3)), r"not \(0, 8, 8, 3\)"),
    ],
)
def test_features_of_impossible_images(images, message):
    with pytest.raises(ValueError, match=message):
        random_convolutions(images)


def test_features_of_lists():
    images = shapes(2)
    np.testing.assert_array_equal(random_convolutions(images.tolist()), random_convolutions(images))


FEATURES_OF_A_RAMP = [0.808574, 0.700346, 0.734725]


def test_psnr():
    black, white = np.zeros((2, 4, 4, 1)), np.full((2, 4, 4, 1), 255.0)
    assert psnr(white, black, 255) == 0
    assert psnr(black + 25.5, black, 255) == pytest.approx(20)
    one_off = black.copy()
    one_off[0, 0, 0, 0] = 1
    assert psnr(one_off, black, 255) == pytest.approx(10 * np.log10(255**2 * 32))
    assert psnr(black, black, 255) == PSNR_LIMIT
    assert psnr([0.0, 25.5], [25.5, 0.0], 255) == pytest.approx(20)
    assert psnr(black + 1e-9, black, 2) == PSNR_LIMIT
    # uint8 must not wrap around.
    assert psnr(np.uint8([0]), np.uint8([255]), 255) == 0
    with pytest.raises(ValueError, match="shapes"):
        psnr(black, black[:1], 255)
    with pytest.raises(ValueError, match="at least 1 value"):
        psnr([], [], 255)
    with pytest.raises(ValueError, match="peak"):
        psnr(black, black, 0)
