"""Augmentation against NumPy; gradients, precision, XLA and seeds of every policy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.nn.augment import POLICIES, augment, parse_policy

SEED = tf.constant([3, 14], tf.int32)


def random_images(
    count: int = 64, height: int = 16, width: int = 16, channels: int = 3
) -> np.ndarray:
    rng = np.random.default_rng(0)
    # Nowhere 0, so each 0 in a result was shifted in or cut out.
    return rng.uniform(0.1, 1.0, (count, height, width, channels)).astype(np.float32)


def shift(image: np.ndarray, down: int, right: int) -> np.ndarray:
    moved = np.zeros_like(image)
    height, width = image.shape[:2]
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                moved[row, column] = image[row - down, column - right]
    return moved


def shifts_of(images: np.ndarray, moved: np.ndarray, furthest: int) -> list[tuple[int, int]]:
    """The shift of each image; exactly one must fit."""
    shifts = []
    steps = range(-furthest, furthest + 1)
    for before, after in zip(images, moved, strict=True):
        (one,) = [
            (d, r) for d in steps for r in steps if np.array_equal(shift(before, d, r), after)
        ]
        shifts.append(one)
    return shifts


# --- the policy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", ()),
        ("none", ()),
        ("color", ("color",)),
        ("colour, Cutout", ("color", "cutout")),
        ("cutout,color,cutout", ("cutout", "color")),
        ("color,translation,cutout", POLICIES),
    ],
)
def test_parsing(text: str, policy: tuple[str, ...]) -> None:
    assert parse_policy(text) == policy


@pytest.mark.parametrize("text", ["cutuot", "color,", "none,color", "color cutout"])
def test_unknown_names_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="unknown augmentation"):
        parse_policy(text)


def test_augment_refuses_unknown_names() -> None:
    with pytest.raises(UserError, match="did you mean 'cutout'"):
        augment(random_images(2), ["cutuot"], SEED)


def test_no_policy_changes_nothing() -> None:
    images = tf.constant(random_images(2))
    assert augment(images, (), SEED) is images


# --- color ---------------------------------------------------------------------------------------


def test_color_against_numpy() -> None:
    images = random_images().astype(np.float64)
    result = augment(tf.constant(images), ["color"], SEED).numpy()
    # All three are affine in the image, so its channels reveal the draws.
    factors = []
    for before, after in zip(images, result, strict=True):
        grey = before.mean(axis=2, keepdims=True)
        colour, lightness = before - grey, np.broadcast_to(grey - before.mean(), before.shape)
        parts = np.stack([colour.ravel(), lightness.ravel(), np.ones(before.size)], axis=1)
        (both, contrast, mean), *_ = np.linalg.lstsq(parts, after.ravel(), rcond=None)
        brightness, saturation = mean - before.mean(), both / contrast
        lit = before + brightness
        grey = lit.mean(axis=2, keepdims=True)
        coloured = (lit - grey) * saturation + grey
        expected = (coloured - coloured.mean()) * contrast + coloured.mean()
        np.testing.assert_allclose(after, expected, atol=1e-6)
        factors.append((brightness, saturation, contrast))
    for values, (low, high) in zip(
        np.transpose(factors), [(-0.5, 0.5), (0, 2), (0.5, 1.5)], strict=True
    ):
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high


def test_color_of_one_channel_is_brightness_and_contrast() -> None:
    images = random_images(8, channels=1).astype(np.float64)
    result = augment(tf.constant(images), ["color"], SEED).numpy()
    in_color = augment(tf.constant(np.repeat(images, 3, axis=3)), ["color"], SEED).numpy()
    # Grey pixels have no color, so the saturation has no effect.
    np.testing.assert_allclose(np.repeat(result, 3, axis=3), in_color, atol=1e-12)


def test_a_constant_image_stays_constant_under_color() -> None:
    result = augment(tf.fill((8, 5, 7, 3), 0.25), ["color"], SEED).numpy()
    assert np.ptp(result, axis=(1, 2, 3)).max() < 1e-6
    assert np.ptp(result) > 0.5  # each has its own brightness


# --- translation ---------------------------------------------------------------------------------


def test_translation_is_a_shift_of_each_image() -> None:
    images = random_images()
    shifts = shifts_of(images, augment(images, ["translation"], SEED).numpy(), furthest=3)
    assert {d for d, _ in shifts} == {r for _, r in shifts} == {-2, -1, 0, 1, 2}
    assert len(set(shifts)) > 15  # independent in both directions


def test_translation_of_a_wide_image() -> None:
    images = random_images(64, 4, 24, 1)
    shifts = shifts_of(images, augment(images, ["translation"], SEED).numpy(), furthest=4)
    assert {d for d, _ in shifts} == {-1, 0, 1}
    assert {r for _, r in shifts} == set(range(-3, 4))


def test_gradient_of_translation_is_one_where_kept() -> None:
    images = tf.constant(random_images())
    with tf.GradientTape() as tape:
        tape.watch(images)
        moved = augment(images, ["translation"], SEED)
        total = tf.reduce_sum(moved)
    gradient = tape.gradient(total, images).numpy()
    shifts = shifts_of(images.numpy(), moved.numpy(), furthest=2)
    for image, one, (down, right) in zip(images.numpy(), gradient, shifts, strict=True):
        kept = shift(shift(np.ones_like(image), down, right), -down, -right)
        np.testing.assert_array_equal(one, kept)


def test_translation_has_second_derivatives() -> None:
    images = tf.constant(random_images(4))
    with tf.GradientTape() as outer:
        outer.watch(images)
        with tf.GradientTape() as inner:
            inner.watch(images)
            total = tf.reduce_sum(augment(images, ["translation"], SEED) ** 3)
        penalty = tf.reduce_sum(inner.gradient(total, images))
    second = outer.gradient(penalty, images).numpy()
    kept = second != 0
    np.testing.assert_allclose(second[kept], 6 * images.numpy()[kept], rtol=1e-5)
    assert 0.5 < kept.mean() < 1


# --- cutout --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(16, 16), (10, 10), (9, 21)])
def test_cutout_is_a_rectangle_of_half_the_size(height: int, width: int) -> None:
    images = random_images(256, height, width)
    result = augment(images, ["cutout"], SEED).numpy()
    cut = result == 0
    np.testing.assert_array_equal(result[~cut], images[~cut])
    assert (cut == cut[..., :1]).all()
    edges = int(height / 2 + 0.5), int(width / 2 + 0.5)
    sizes = []
    for one in cut[..., 0]:
        rows, columns = one.any(axis=1), one.any(axis=0)
        np.testing.assert_array_equal(one, rows[:, None] & columns)
        for lines in (rows, columns):  # contiguous
            assert np.abs(np.diff(np.pad(lines.astype(int), 1))).sum() == 2
        sizes.append((rows.sum(), columns.sum()))
    for size, edge in zip(np.transpose(sizes), edges, strict=True):
        assert size.max() == edge
        assert size.min() == (edge + 1) // 2  # half of it beyond the border
    assert cut.mean(axis=0).max() < 1
    assert cut.mean(axis=0).min() > 0


def test_gradient_of_cutout_is_zero_where_cut() -> None:
    images = tf.constant(random_images(8))
    with tf.GradientTape() as tape:
        tape.watch(images)
        result = augment(images, ["cutout"], SEED)
        total = tf.reduce_sum(result)
    gradient = tape.gradient(total, images).numpy()
    np.testing.assert_array_equal(gradient, (result.numpy() != 0).astype(np.float32))


# --- all of them ---------------------------------------------------------------------------------


@pytest.fixture(params=[("color",), ("translation",), ("cutout",), POLICIES], ids=",".join)
def policy(request: pytest.FixtureRequest) -> Sequence[str]:
    return request.param


def test_results_depend_on_the_seed_alone(policy: Sequence[str]) -> None:
    images = random_images(8)
    first = augment(images, policy, SEED).numpy()
    np.testing.assert_array_equal(augment(images, policy, SEED), first)
    for other in ([3, 15], [4, 14]):
        assert np.abs(augment(images, policy, tf.constant(other)) - first).max() > 0.05


def test_each_sample_has_its_own_draw(policy: Sequence[str]) -> None:
    result = augment(np.repeat(random_images(1), 8, axis=0), policy, SEED).numpy()
    assert len(np.unique(result.reshape(8, -1), axis=0)) > 4


def test_a_policy_applies_its_parts_in_turn() -> None:
    images = tf.constant(random_images(8))
    one_by_one = images
    for name in POLICIES:
        one_by_one = augment(one_by_one, [name], SEED)
    np.testing.assert_array_equal(augment(images, POLICIES, SEED), one_by_one)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_dtype_is_kept(policy: Sequence[str], dtype: str) -> None:
    images = tf.constant(random_images(8))
    result = augment(tf.cast(images, dtype), policy, SEED)
    assert result.dtype == dtype
    tolerance = {"float16": 2e-3, "bfloat16": 2e-2}.get(dtype, 1e-6)
    expected = augment(images, policy, SEED)
    np.testing.assert_allclose(tf.cast(result, tf.float32), expected, atol=tolerance)


def test_xla_gives_the_same_results(policy: Sequence[str]) -> None:
    images = tf.constant(random_images(8))

    def go(images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            result = augment(images, policy, seed)
            total = tf.reduce_sum(result**2)
        return result, tape.gradient(total, images)

    compiled = tf.function(go, jit_compile=True)
    for seed in (SEED, tf.constant([0, 0])):
        for ours, eager in zip(compiled(images, seed), go(images, seed), strict=True):
            np.testing.assert_allclose(ours, eager, atol=1e-5)


def test_unknown_batch_size(policy: Sequence[str]) -> None:
    images = random_images(8)
    signature = [tf.TensorSpec((None, 16, 16, 3)), tf.TensorSpec((2,), tf.int32)]
    traced = tf.function(lambda x, seed: augment(x, policy, seed), input_signature=signature)
    result = traced(images, SEED)
    np.testing.assert_allclose(result, augment(images, policy, SEED), atol=1e-6)
    assert traced(images[:3], SEED).shape == (3, 16, 16, 3)


@pytest.mark.parametrize("shape", [(3, 1, 1, 1), (3, 1, 9, 2), (3, 7, 2, 5)])
def test_any_shape(policy: Sequence[str], shape: tuple[int, ...]) -> None:
    result = augment(tf.fill(shape, 0.5), policy, SEED)
    assert result.shape == shape
    assert np.isfinite(result).all()


@pytest.mark.slow
def test_gradients_against_finite_differences(policy: Sequence[str]) -> None:
    images = tf.constant(random_images(2, 4, 4).astype(np.float64))
    analytic, numeric = tf.test.compute_gradient(lambda x: augment(x, policy, SEED), [images])
    np.testing.assert_allclose(analytic[0], numeric[0], atol=1e-6)
    assert np.abs(analytic[0]).max() > 0.1
