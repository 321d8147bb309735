"""The diversity of images: what lowers it, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from tfgan2.metrics.diversity import diversity, nearest_distances
from tfgan2.metrics.images import random_convolutions


def images(count: int, seed: int = 0, edge: int = 16) -> np.ndarray:
    """Different images: a few waves of random colours, directions and contrast."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:edge, :edge] / edge
    found = np.empty((count, edge, edge, 3), np.float32)
    for one in found:
        angle, frequency, phase = rng.uniform(0, [6.3, 12, 6.3])
        wave = np.sin(frequency * (np.cos(angle) * x + np.sin(angle) * y) + phase)
        one[:] = np.tanh(rng.normal(0, 0.5, 3) + wave[..., None] * rng.normal(0, 0.7, 3))
    return found


def textures(count: int, seed: int = 5) -> np.ndarray:
    """Noise of one kind."""
    noise = np.random.default_rng(seed).normal(0.1, 0.4, (count, 16, 16, 3))
    return np.clip(noise, -1, 1).astype(np.float32)


def of(generated: np.ndarray, real: np.ndarray) -> float:
    return diversity(nearest_distances(generated), nearest_distances(real))


def test_distances_to_the_nearest_other_image() -> None:
    some = images(12)
    features = random_convolutions(some).astype(np.float64)
    each = np.linalg.norm(features[:, None] - features, axis=2) + np.diag(np.full(12, np.inf))
    np.testing.assert_allclose(nearest_distances(some), each.min(axis=1), rtol=1e-5)


def test_golden_values() -> None:
    real = np.array([1.0, 2.0, 4.0, 9.0])
    # min(1, 2 d / 3) of the distances
    assert diversity(np.array([0.0, 0.75, 3.0, 30.0]), real) == pytest.approx(2.5 / 4)
    assert diversity(np.zeros(4), real) == 0
    assert diversity(np.zeros(4), np.zeros(4)) == 1  # all real images are equal


def test_real_images_are_as_different_as_others() -> None:
    values = [of(images(64, seed), images(64)) for seed in range(1, 6)]
    assert min(values) > 0.95 and max(values) <= 1


def test_copies_lower_it() -> None:
    generated = images(64, 1)
    generated[:32] = generated[0]
    assert 0.4 < of(generated, images(64)) < 0.55


def test_a_third_of_one_noise_texture_lowers_it_by_a_third() -> None:
    generated = images(64, 1)
    before = of(generated, images(64))
    generated[::3] = textures(22)
    assert before > 0.95 and 0.6 < of(generated, images(64)) < 0.85
