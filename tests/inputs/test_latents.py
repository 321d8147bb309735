from __future__ import annotations

import numpy as np
import pytest

from tfgan2.errors import UserError
from tfgan2.inputs.latents import draw_latents, slerp, walk


def test_same_seed_same_latents_and_a_prefix_of_a_larger_draw() -> None:
    many, few = draw_latents(64, 10, seed=5), draw_latents(16, 10, seed=5)
    assert many.dtype == np.float32
    np.testing.assert_array_equal(many[:16], few)
    assert not np.array_equal(few, draw_latents(16, 10, seed=6))


def test_distributions() -> None:
    normal = draw_latents(2000, 10, seed=0)
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02
    uniform = draw_latents(2000, 10, seed=0, distribution="uniform")
    assert uniform.min() >= -1 and uniform.max() <= 1 and abs(uniform.std() - 3**-0.5) < 0.01
    with pytest.raises(UserError, match="did you mean 'normal'"):
        draw_latents(1, 1, distribution="norml")


@pytest.mark.parametrize(
    ("count", "seed", "message"),
    [(-1, 0, "count must be at least 1, not -1"), (1, -1, "seed must be 0 or more, not -1")],
)
def test_impossible_draws_are_refused(count: int, seed: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        draw_latents(count, 3, seed=seed)


def test_slerp_follows_the_arc() -> None:
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    path = slerp(a, b, np.array([0.0, 1 / 3, 1.0]))
    np.testing.assert_allclose(
        path, [[1, 0], [np.cos(np.pi / 6), np.sin(np.pi / 6)], [0, 1]], atol=1e-6
    )


def test_slerp_keeps_the_length_of_normal_latents() -> None:
    a, b = draw_latents(2, 200, seed=1)
    middle = slerp(a, b, np.array([0.5]))[0]
    straight = np.linalg.norm((a + b) / 2)
    assert np.linalg.norm(middle) > 1.2 * straight
    assert np.linalg.norm(middle) == pytest.approx(np.linalg.norm(a), rel=0.15)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_slerp_of_parallel_latents_is_finite(factor: float) -> None:
    a = np.array([1.0, 2.0])
    assert np.isfinite(slerp(a, factor * a, np.linspace(0, 1, 5))).all()


def test_walk_passes_through_every_station_once() -> None:
    stations = draw_latents(3, 8, seed=2)
    path = walk(stations, 5)
    assert path.shape == (11, 8)
    np.testing.assert_allclose(path[[0, 5, 10]], stations, atol=1e-6)
