"""Adaptive augmentation against NumPy, by the matrices of the paper."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import ndtri

from tfgan2.nn import ada
from tfgan2.nn.ada import adaptive_augment, adjusted, colored, geometry

SEED = tf.constant([3, 14], tf.int32)


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def random_draws(count: int, size: int) -> np.ndarray:
    # Multiples of 2^-23, as the draws of the seeds are.
    bits = np.random.default_rng(2).integers(0, 2**23, (count, size))
    return bits.astype(np.float32) * np.float32(2.0**-23)


def scale(draw: float, deviation: float, most: float = 2.5) -> float:
    return 2.0 ** (deviation * np.clip(ndtri(draw + 2.0**-24), -most, most))


# --- geometry ------------------------------------------------------------------------------------


def shifted(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def scaled(x: float, y: float) -> np.ndarray:
    return np.diag([x, y, 1])


def turned(angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def geometry_of(u: np.ndarray, p: float, height: int, width: int) -> np.ndarray:
    """What a row of draws does to positions in an image, 3x3."""
    u = u.astype(np.float64)
    once = 1 - np.sqrt(1 - p)
    quarters = np.floor(u[3] * 4) if height == width else 2 * np.floor(u[3] * 2)
    whole = np.rint((2 * u[5] - 1) * width / 8), np.rint((2 * u[6] - 1) * height / 8)
    far = width / 8 * ndtri(u[16] + 2.0**-24), height / 8 * ndtri(u[17] + 2.0**-24)
    stretch = scale(u[12], 0.2)
    steps = [
        (u[0] < p, scaled(-1 if u[1] < 0.5 else 1, 1)),
        (u[2] < p, turned(quarters * np.pi / 2)),
        (u[4] < p, shifted(*whole)),
        (u[7] < p, scaled(*[scale(u[8], 0.2)] * 2)),
        (u[9] < once, turned((2 * u[10] - 1) * np.pi)),
        (u[11] < p, scaled(stretch, 1 / stretch)),
        (u[13] < once, turned((2 * u[14] - 1) * np.pi)),
        (u[15] < p, shifted(*far)),
    ]
    return reduce(lambda total, step: step[1] @ total if step[0] else total, steps, np.eye(3))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (16, 40)])
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_geometry_against_the_papers_matrices(height: int, width: int, p: float) -> None:
    draws = random_draws(200, ada.GEOMETRY_DRAWS)
    maps = geometry(tf.constant(draws), tf.constant(p), height, width).numpy()
    for row, ours in zip(draws, maps, strict=True):
        inverse = np.linalg.inv(geometry_of(row, p, height, width))
        np.testing.assert_allclose(ours, inverse[:2], atol=2e-5, rtol=1e-5)
    singular = np.linalg.svd(maps[:, :, :2], compute_uv=False)
    assert singular.min() > ada._LEAST_SCALE * 0.999 and singular.max() < 1.001 / ada._LEAST_SCALE


def test_blits_move_whole_pixels() -> None:
    draws = np.ones((64, ada.GEOMETRY_DRAWS), np.float32)  # nothing is below p
    draws[:, :7] = random_draws(64, 7)
    maps = geometry(tf.constant(draws), tf.constant(0.7), 16, 16).numpy()
    assert set(np.unique(maps[:, :, :2])) == {-1, 0, 1}
    np.testing.assert_array_equal(maps[:, :, 2], np.rint(maps[:, :, 2]))
    assert np.abs(maps[:, :, 2]).max() == 2
    turns = {tuple(one.ravel()) for one in maps[:, :, :2]}
    assert len(turns) == 8  # four turns, mirrored or not


# --- colour --------------------------------------------------------------------------------------


def color_of(u: np.ndarray, p: float) -> np.ndarray:
    """What a row of draws does to colours, 4x4."""
    u = u.astype(np.float64)
    axis = np.array([1, 1, 1, 0]) / np.sqrt(3)
    along = np.outer(axis, axis)
    angle = (2 * u[7] - 1) * np.pi
    cross = np.zeros((4, 4))
    cross[:3, :3] = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    corner = np.diag([0, 0, 0, 1])
    turn = np.cos(angle) * np.diag([1, 1, 1, 0]) + np.sin(angle) * cross
    steps = [
        (u[0] < p, np.eye(4) + 0.2 * ndtri(u[1] + 2.0**-24) * np.outer([1, 1, 1, 0], [0, 0, 0, 1])),
        (u[2] < p, np.diag([*[scale(u[3], 0.5, np.inf)] * 3, 1])),
        (u[4] < p, np.eye(4) - 2 * along * (u[5] < 0.5)),
        (u[6] < p, turn + (1 - np.cos(angle)) * along + corner),
        (u[8] < p, along + (np.eye(4) - along - corner) * scale(u[9], 1.0, np.inf) + corner),
    ]
    return reduce(lambda total, step: step[1] @ total if step[0] else total, steps, np.eye(4))


@pytest.mark.parametrize("p", [0.4, 1.0])
@pytest.mark.parametrize("channels", [3, 4])
def test_color_against_the_papers_matrices(p: float, channels: int) -> None:
    draws, images = random_draws(100, ada.COLOR_DRAWS), random_images(100, 3, 4, channels)
    result = colored(tf.constant(images), tf.constant(draws), tf.constant(p)).numpy()
    for row, before, after in zip(draws, images, result, strict=True):
        matrix = color_of(row, p)
        expected = before[..., :3] @ matrix[:3, :3].T + matrix[:3, 3]
        np.testing.assert_allclose(after[..., :3], expected, atol=1e-5, rtol=1e-5)
    np.testing.assert_array_equal(result[..., 3:], images[..., 3:])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_channels_change_as_grey_ones(channels: int) -> None:
    draws, images = random_draws(50, ada.COLOR_DRAWS), random_images(50, 3, 4, channels)
    result = colored(tf.constant(images), tf.constant(draws), tf.constant(0.8)).numpy()
    for channel in range(channels):
        grey = np.repeat(images[..., channel : channel + 1], 3, axis=3)
        in_color = colored(tf.constant(grey), tf.constant(draws), tf.constant(0.8)).numpy()
        np.testing.assert_allclose(result[..., channel], in_color[..., 1], atol=1e-5)


# --- p -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "signs", "share", "expected"),
    [
        (0.5, 0.7, 0.001, 0.501),
        (0.5, 0.59, 0.001, 0.499),
        (0.5, 0.6, 0.001, 0.5),
        (0.0, 0.1, 0.01, 0.0),
        (0.995, 1.0, 0.01, 1.0),
    ],
)
def test_p_moves_towards_the_target(p: float, signs: float, share: float, expected: float) -> None:
    moved = adjusted(tf.constant(p), tf.constant(signs), 0.6, tf.constant(share))
    assert float(moved) == pytest.approx(expected, abs=1e-6)


# --- all of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 16, 16, 3), (4, 9, 14, 1), (4, 6, 5, 4)])
def test_nothing_changes_at_zero_and_much_at_one(shape: tuple[int, ...]) -> None:
    images = tf.constant(random_images(*shape))
    np.testing.assert_allclose(adaptive_augment(images, 0.0, SEED), images, atol=1e-6)
    changes = np.abs(adaptive_augment(images, 1.0, SEED) - images).max(axis=(1, 2, 3))
    assert changes.min() > 0.05


def test_p_is_the_fraction_of_images_that_a_transformation_changes() -> None:
    draws = random_draws(4000, ada.GEOMETRY_DRAWS)
    maps = geometry(tf.constant(draws), tf.constant(0.25), 32, 32).numpy()
    fractional = np.abs(maps[:, :, 2] - np.rint(maps[:, :, 2])).max(axis=1) > 1e-6
    # Without a fractional shift, a scale or a turn by any angle, shifts are whole.
    assert fractional.mean() == pytest.approx(0.25, abs=0.05)
    kept = np.isclose(np.abs(np.linalg.det(maps[:, :, :2])), 1, atol=1e-5)
    assert 1 - kept.mean() == pytest.approx(0.25, abs=0.03)  # scaled


def test_results_depend_on_the_seed_alone() -> None:
    images = random_images(8, 8, 8, 3)
    first = adaptive_augment(tf.constant(images), 0.8, SEED).numpy()
    np.testing.assert_array_equal(adaptive_augment(tf.constant(images), 0.8, SEED), first)
    other = adaptive_augment(tf.constant(images), 0.8, tf.constant([3, 15])).numpy()
    assert np.abs(other - first).max() > 0.1
    same = np.repeat(images[:1], 8, axis=0)
    each = adaptive_augment(tf.constant(same), 0.8, SEED).numpy()
    assert len(np.unique(each.reshape(8, -1), axis=0)) > 6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_the_dtype_is_kept(dtype: str) -> None:
    images = tf.constant(random_images(8, 8, 8, 3))
    result = adaptive_augment(tf.cast(images, dtype), 0.8, SEED)
    assert result.dtype == dtype
    tolerance = {"float16": 1e-2, "bfloat16": 1e-1}.get(dtype, 1e-5)
    expected = adaptive_augment(images, 0.8, SEED)
    np.testing.assert_allclose(tf.cast(result, tf.float32), expected, atol=tolerance)


def test_xla_gives_the_same_results() -> None:
    images = tf.constant(random_images(16, 8, 8, 3))

    def go(images: tf.Tensor, p: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            result = adaptive_augment(images, p, seed)
            total = tf.reduce_sum(result**2)
        return result, tape.gradient(total, images)

    compiled = tf.function(go, jit_compile=True)
    for p in (tf.constant(0.5), tf.constant(1.0)):
        for ours, eager in zip(compiled(images, p, SEED), go(images, p, SEED), strict=True):
            np.testing.assert_allclose(ours, eager, rtol=1e-4, atol=1e-4)


def test_unknown_batch_size() -> None:
    images = random_images(8, 8, 8, 3)
    signature = [tf.TensorSpec((None, 8, 8, 3)), tf.TensorSpec((2,), tf.int32)]
    traced = tf.function(lambda x, seed: adaptive_augment(x, 0.7, seed), input_signature=signature)
    expected = adaptive_augment(tf.constant(images), 0.7, SEED)
    np.testing.assert_allclose(traced(images, SEED), expected, atol=1e-5)


def test_a_gradient_penalty_through_it_against_finite_differences() -> None:
    weights = tf.constant(random_images(2, 4, 4, 3).astype(np.float64))

    @tf.function
    def penalty(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = tf.reduce_sum(weights * adaptive_augment(images, 0.9, SEED) ** 3)
        return tf.reduce_sum(tape.gradient(logits, images) ** 2)

    images = tf.constant(random_images(2, 4, 4, 3).astype(np.float64))
    analytic, numeric = tf.test.compute_gradient(penalty, [images], 1e-5)
    np.testing.assert_allclose(analytic[0], numeric[0], rtol=1e-5, atol=1e-4)
    assert np.abs(analytic[0]).max() > 0.1
