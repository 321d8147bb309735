"""The affine warp against NumPy; its gradients of both orders; XLA."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn.warp import affine_warp, warp_by_matrices, warp_in_passes

LEAST = 0.5
IDENTITY = np.eye(2, 3, dtype=np.float32)


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def random_maps(count: int, largest_shift: float = 3.0) -> np.ndarray:
    """Turns, scales and shifts, one of each image; the first two turn by 0 and 90 degrees."""
    rng = np.random.default_rng(1)
    maps = np.empty((count, 2, 3), np.float32)
    for index, angle in enumerate([0.0, np.pi / 2, *rng.uniform(-np.pi, np.pi, count - 2)]):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        maps[index, :, :2] = turn * rng.uniform(0.6, 1.6, 2)
        maps[index, :, 2] = rng.uniform(-largest_shift, largest_shift, 2)
    return maps


def kernel(t: np.ndarray) -> np.ndarray:
    t = np.abs(t)
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t < 1, 1.5 * t**3 - 2.5 * t**2 + 1, np.where(t < 2, far, 0))


def expected(image: np.ndarray, one: np.ndarray, passes: bool) -> np.ndarray:
    """The warp in float64; in passes for maps whose y depends more on y than on x."""
    height, width, _ = image.shape
    margins = [min(-(-max(height, width) // 2), edge) for edge in (height, width)]
    margins = margins if passes else [2 * height, 2 * width]
    canvas = np.pad(image, [*((m, m) for m in margins), (0, 0)], "symmetric").astype(np.float64)
    (a, b, e), (c, d, f) = one.astype(np.float64)
    ys = np.arange(len(canvas)) - (len(canvas) - 1) / 2
    xs = np.arange(canvas.shape[1]) - (canvas.shape[1] - 1) / 2
    out = np.zeros(image.shape)
    for row in range(height):
        for column in range(width):
            x, y = column - (width - 1) / 2, row - (height - 1) / 2
            v = c * x + d * y + f
            # In row w of the image, the result's column x is at the y for which v is w.
            u = a * x + b * ((ys - c * x - f) / d if passes else np.full_like(ys, y)) + e
            weights = kernel(v - ys)[:, None] * kernel(u[:, None] - xs)
            out[row, column] = np.einsum("yx,yxc->c", weights, canvas)
    return out


@pytest.mark.parametrize("shape", [(8, 8, 3), (6, 11, 2), (9, 5, 1)])
def test_matrices_against_numpy(shape: tuple[int, ...]) -> None:
    images, maps = random_images(8, *shape), random_maps(8)
    result = warp_by_matrices(tf.constant(images), tf.constant(maps)).numpy()
    for ours, image, one in zip(result, images, maps, strict=True):
        np.testing.assert_allclose(ours, expected(image, one, passes=False), atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8, 3), (6, 11, 2), (9, 5, 1)])
def test_passes_against_numpy(shape: tuple[int, ...]) -> None:
    images, maps = random_images(24, *shape), random_maps(24)
    result = warp_in_passes(tf.constant(images), tf.constant(maps), LEAST).numpy()
    upright = [index for index in range(24) if abs(maps[index, 1, 1]) > abs(maps[index, 1, 0])]
    assert len(upright) > 8
    for index in upright:
        theirs = expected(images[index], maps[index], passes=True)
        np.testing.assert_allclose(result[index], theirs, atol=1e-5)
    if shape[0] == shape[1]:
        # The others are the transposed results of maps whose x and y are exchanged.
        for index in set(range(24)) - set(upright):
            other = expected(images[index], maps[index][:, [1, 0, 2]], passes=True)
            np.testing.assert_allclose(result[index], other.transpose(1, 0, 2), atol=1e-5)


Warp = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@pytest.fixture(params=["matrices", "passes"])
def warp(request: pytest.FixtureRequest) -> Warp:
    if request.param == "matrices":
        return warp_by_matrices
    return lambda images, maps: warp_in_passes(images, maps, LEAST)


def test_whole_positions_keep_the_pixels(warp: Warp) -> None:
    images = random_images(5, 6, 6, 2)
    maps = np.stack([IDENTITY] * 5)
    maps[1, 0, 0] = -1  # mirrored
    maps[2, :, :2] = [[0, 1], [-1, 0]]  # turned
    maps[3, :, 2] = [2, -1]  # shifted
    maps[4, :, :2] = [[0, -1], [1, 0]]
    result = warp(tf.constant(images), tf.constant(maps)).numpy()
    around = np.pad(images[3], [(3, 3), (3, 3), (0, 0)], "symmetric")
    turned = [np.rot90(images[2], 3), np.rot90(images[4], 1)]
    wanted = [images[0], images[1, :, ::-1], turned[0], around[2:8, 5:11], turned[1]]
    for ours, theirs in zip(result, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(32, 32), (24, 40), (41, 26)])
def test_a_smooth_function_is_resampled(warp: Warp, shape: tuple[int, int]) -> None:
    def function(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.sin(0.3 * x + 0.5) * np.cos(0.25 * y - 0.2)

    height, width = shape
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    maps = random_maps(16)
    images = np.stack([function(x, y)] * 16)[..., None].astype(np.float32)
    result = warp(tf.constant(images), tf.constant(maps)).numpy()[..., 0]
    for one, ((a, b, e), (c, d, f)) in zip(result, maps, strict=True):
        u, v = a * x + b * y + e, c * x + d * y + f
        within = (np.abs(u) < width / 2 - 3) & (np.abs(v) < height / 2 - 3)
        assert within.sum() > 50
        np.testing.assert_allclose(one[within], function(u, v)[within], atol=3e-3)


@pytest.mark.parametrize("shape", [(8, 8, 2), (5, 9, 1)])
def test_the_gradient_is_the_transposed_warp(warp: Warp, shape: tuple[int, ...]) -> None:
    images, others = (
        tf.constant(np.random.default_rng(seed).normal(size=(16, *shape))) for seed in (1, 2)
    )
    maps = tf.constant(random_maps(16))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(warp(images, maps) * others, axis=(1, 2, 3))
        everything = tf.reduce_sum(total)
    backward = tf.reduce_sum(tape.gradient(everything, images) * images, axis=(1, 2, 3))
    np.testing.assert_allclose(backward, total, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
def test_second_derivatives_against_finite_differences(warp: Warp) -> None:
    maps = tf.constant(random_maps(2))
    weights = tf.constant(random_images(2, 4, 4, 1).astype(np.float64))

    @tf.function
    def penalty(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(weights * warp(images, maps) ** 3)
        return tf.reduce_sum(tape.gradient(total, images) ** 2)

    images = tf.constant(random_images(2, 4, 4, 1).astype(np.float64))
    analytic, numeric = tf.test.compute_gradient(penalty, [images], 1e-5)
    np.testing.assert_allclose(analytic[0], numeric[0], rtol=1e-5, atol=1e-5)
    assert np.abs(analytic[0]).max() > 0.1


@pytest.mark.slow
def test_xla_gives_the_same_results(warp: Warp) -> None:
    images, maps = tf.constant(random_images(8, 8, 8, 3)), tf.constant(random_maps(8))

    def go(images: tf.Tensor, maps: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                result = warp(images, maps)
                total = tf.reduce_sum(result**3)
            gradient = inner.gradient(total, images)
            penalty = tf.reduce_sum(gradient**2)
        return [result, gradient, outer.gradient(penalty, images)]

    compiled = tf.function(go, jit_compile=True)(images, maps)
    for ours, eager in zip(compiled, go(images, maps), strict=True):
        np.testing.assert_allclose(ours, eager, rtol=1e-4, atol=1e-4)


def test_gradients_need_no_scatter(warp: Warp) -> None:
    """It would be slow under XLA, and on a GPU in no fixed order."""

    @tf.function
    def go(images: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                total = tf.reduce_sum(warp(images, maps) ** 3)
            penalty = tf.reduce_sum(inner.gradient(total, images) ** 2)
        return outer.gradient(penalty, images)

    graph = go.get_concrete_function(tf.TensorSpec((2, 6, 6, 3)), tf.TensorSpec((2, 2, 3))).graph
    kinds = {node.op for node in graph.as_graph_def().node}
    kinds |= {node.op for each in graph.as_graph_def().library.function for node in each.node_def}
    assert not [kind for kind in kinds if "Scatter" in kind or "Segment" in kind]


def test_the_size_decides() -> None:
    maps = tf.constant(random_maps(4))
    for edge, other in ((8, warp_by_matrices), (66, lambda *x: warp_in_passes(*x, LEAST))):
        images = tf.constant(random_images(4, edge, 6, 1))
        np.testing.assert_array_equal(affine_warp(images, maps, LEAST), other(images, maps))
