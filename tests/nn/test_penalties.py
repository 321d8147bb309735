"""Every penalty through the checks of losses, and second derivatives, draws and precision."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import loss_checks
import numpy as np
import pytest
import tensorflow as tf
from loss_checks import Case

from tfgan2.nn import penalties

WEIGHTS = np.array([1.0, -0.5, 2.0, 0.25, -1.0, 0.5], np.float32)
NORM = float(np.sqrt(1 + 0.25 + 4 + 0.0625 + 1 + 0.25))
REAL = np.array(
    [
        [0.5, -0.25, 0.75, 1.0, -1.0, 0.25],
        [-0.5, 0.5, 0.25, -0.75, 1.0, 0.5],
        [0.25, 1.0, -1.0, 0.5, 0.75, -0.25],
        [1.0, 0.75, 0.5, -0.5, -0.25, -1.0],
    ],
    np.float32,
)
FAKE = -REAL[::-1]
# Gradient norms of the quadratic critic at the real samples.
NORMS = np.linalg.norm(WEIGHTS * REAL, axis=1)
SEED = (3, 7)


def linear(weights: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Logits of shape (B,) whose gradient is the weights everywhere, in the weights' precision."""
    images = tf.reshape(tf.cast(images, weights.dtype), (-1, len(WEIGHTS)))
    return tf.reduce_sum(weights * images, axis=1)


def column(weights: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """The same with logits of shape (B, 1)."""
    return linear(weights, images)[:, None]


def patches(weights: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """The same as patches of shape (B, 2, 2, 1) that add up to it."""
    shares = tf.constant([0.125, 0.125, 0.25, 0.5], weights.dtype)
    return tf.reshape(linear(weights, images)[:, None] * shares, (-1, 2, 2, 1))


def quadratic(weights: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Logits of shape (B,) whose gradient is weights * images."""
    images = tf.reshape(tf.cast(images, weights.dtype), (-1, len(WEIGHTS)))
    return 0.5 * tf.reduce_sum(weights * tf.square(images), axis=1)


@dataclass(frozen=True)
class PenaltyCase(Case):
    """Inputs are the critic's weights, then the images."""

    shapes: tuple[tuple[int, ...], ...] = ((4, 6), (4, 3, 2), (4, 1, 2, 3))
    learned: int | None = 1
    critic: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = linear

    def value(self, *inputs: Any) -> tf.Tensor:
        weights, *images = inputs
        return self.function(lambda x: self.critic(weights, x), *images, **self.options)

    def reshaped(self, shape: tuple[int, ...]) -> list[np.ndarray]:
        weights, *images = self.inputs
        return [weights, *(item.reshape(shape) for item in images)]


class WithLogits(PenaltyCase):
    """A case of a function that returns the critic's logits too."""

    def value(self, *inputs: Any) -> tf.Tensor:
        logits, penalty = super().value(*inputs)
        assert np.array_equal(tf.shape(logits), tf.shape(self.critic(*inputs[:2])))
        return penalty


BOTH = (WEIGHTS, REAL, FAKE)
CASES = {
    "gradient": PenaltyCase(penalties.gradient_penalty, BOTH, (NORM - 1) ** 2),
    "gradient_other_target": PenaltyCase(
        penalties.gradient_penalty, BOTH, (NORM - 3) ** 2, {"target": 3.0}
    ),
    "gradient_one_sided_above": PenaltyCase(
        penalties.gradient_penalty, BOTH, (NORM - 1) ** 2, {"one_sided": True}
    ),
    "gradient_one_sided_below": PenaltyCase(
        penalties.gradient_penalty, BOTH, 0.0, {"one_sided": True, "target": 3.0}
    ),
    "gradient_seeded": PenaltyCase(
        penalties.gradient_penalty, BOTH, (NORM - 1) ** 2, {"seed": SEED}
    ),
    "gradient_quadratic": PenaltyCase(
        penalties.gradient_penalty,
        (WEIGHTS, REAL, REAL),
        np.mean((NORMS - 1) ** 2),
        critic=quadratic,
    ),
    "dragan": PenaltyCase(penalties.dragan_penalty, (WEIGHTS, REAL), (NORM - 1) ** 2),
    "dragan_seeded": PenaltyCase(
        penalties.dragan_penalty, (WEIGHTS, REAL), (NORM - 3) ** 2, {"target": 3.0, "seed": SEED}
    ),
    "r1": PenaltyCase(penalties.r1_penalty, (WEIGHTS, REAL), NORM**2),
    "r1_quadratic": PenaltyCase(
        penalties.r1_penalty, (WEIGHTS, REAL), np.mean(NORMS**2), critic=quadratic
    ),
}
CASES["with_logits"] = WithLogits(
    penalties.logits_and_penalty, (WEIGHTS, REAL), np.mean(NORMS**2), critic=quadratic
)
CASES |= {
    f"{name}_{critic.__name__}": replace(CASES[name], critic=critic)
    for name, critic in itertools.product(("gradient", "dragan", "r1"), (column, patches))
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> PenaltyCase:
    return request.param


@pytest.fixture(params=("gradient", "dragan", "r1"))
def kind(request: pytest.FixtureRequest) -> PenaltyCase:
    """One case of each function."""
    return CASES[request.param]


@pytest.fixture(autouse=True)
def same_draws_without_a_seed() -> None:
    tf.random.set_seed(0)


def test_golden_value_in_any_shape(case: PenaltyCase) -> None:
    loss_checks.check_golden_value_in_any_shape(case)


def test_float16_in_float32_out(case: PenaltyCase) -> None:
    loss_checks.check_float16_in_float32_out(case)


@pytest.mark.parametrize("sign", [None, 1.0, -1.0])
def test_gradients_are_finite_at_extremes(case: PenaltyCase, sign: float | None) -> None:
    loss_checks.check_gradients_are_finite_at_extremes(case, sign)


def test_every_function_has_a_case() -> None:
    loss_checks.check_every_function_has_a_case(penalties, CASES.values())


def test_xla_compiles_it_with_the_same_value(kind: PenaltyCase) -> None:
    loss_checks.check_compiled_value(kind)


def test_weights_get_the_second_derivative(kind: PenaltyCase) -> None:
    expected = {  # of (|w| - 1)² and of |w|²
        penalties.r1_penalty: 2 * WEIGHTS,
    }.get(kind.function, 2 * (NORM - 1) / NORM * WEIGHTS)

    @tf.function(jit_compile=True)
    def derivative(weights: tf.Tensor, *images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            value = kind.value(weights, *images)
        return tape.gradient(value, weights)

    np.testing.assert_allclose(derivative(*kind.first()), expected, rtol=1e-5)


def test_zero_gradients_are_finite(kind: PenaltyCase) -> None:
    weights = tf.Variable(np.zeros_like(WEIGHTS))
    for critic in (linear, patches, lambda weights, images: 0.0 * weights[0] + tf.ones(4)):
        zero = replace(kind, critic=critic)
        with tf.GradientTape() as tape:
            value = zero.value(weights, *kind.inputs[1:])
        expected = 0.0 if kind.function is penalties.r1_penalty else 1.0
        assert float(value) == pytest.approx(expected, abs=1e-5)
        gradient = tape.gradient(value, weights, unconnected_gradients="zero")
        assert np.array_equal(gradient, np.zeros_like(WEIGHTS))


def test_images_get_no_gradient(kind: PenaltyCase) -> None:
    images = [tf.constant(item) for item in kind.inputs[1:]]
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = replace(kind, critic=quadratic).value(tf.constant(WEIGHTS), *images)
    assert tape.gradient(value, images) == [None] * len(images)


@pytest.mark.parametrize("name", ["gradient", "dragan"])
def test_seed_decides_the_draw(name: str) -> None:
    case = replace(CASES[name], critic=quadratic)

    def drawn(seed: tf.Tensor | None) -> tf.Tensor:
        return replace(case, options={"seed": seed}).value(*case.first())

    # XLA draws other numbers from a seed than TensorFlow does without it.
    for draw in (drawn, tf.function(drawn, jit_compile=True)):
        values = [float(draw(tf.constant(seed))) for seed in ((0, 1), (0, 1), (1, 1), (0, 2))]
        assert values[0] == values[1]
        assert len(set(values)) == 3
    assert float(drawn(None)) != float(drawn(None))


def points_of(penalty: Callable[..., tf.Tensor], *images: np.ndarray, **options: Any) -> Any:
    """The points at which the penalty takes the critic's gradient."""
    calls = []

    def critic(points: tf.Tensor) -> tf.Tensor:
        calls.append(points.numpy())
        return tf.reduce_sum(points, axis=[1, 2, 3])

    penalty(critic, *images, **options)
    (points,) = calls
    assert points.dtype == np.float32
    return points


@pytest.mark.parametrize("seed", [None, SEED])
def test_points_lie_between_real_and_fake(seed: tuple[int, int] | None) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((2, 200, 4, 4, 3), dtype=np.float32)
    points = points_of(penalties.gradient_penalty, real, fake, seed=seed)
    positions = np.sum((points - real) * (fake - real), (1, 2, 3)) / np.sum(
        (fake - real) ** 2, (1, 2, 3)
    )
    np.testing.assert_allclose(  # one position for all elements of a sample
        points, real + positions[:, None, None, None] * (fake - real), atol=1e-5
    )
    check_uniform(positions)


@pytest.mark.parametrize("seed", [None, SEED])
def test_dragan_points_lie_between_real_and_noisy_samples(seed: tuple[int, int] | None) -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(0.5, 3.0, (200, 16, 16, 3)).astype(np.float32)
    points = points_of(penalties.dragan_penalty, real, seed=seed)
    moves = (points - real) / (0.5 * real.std())
    positions = moves.max((1, 2, 3))  # the largest of many noise elements is nearly 1
    check_uniform(positions)
    noise = (moves / positions[:, None, None, None]).ravel()
    check_uniform(noise)
    assert abs(np.corrcoef(noise[: len(positions)], positions)[0, 1]) < 0.3  # independent draws


def check_uniform(values: np.ndarray) -> None:
    assert values.min() >= -1e-5
    assert values.max() <= 1 + 1e-5
    quantiles = np.quantile(values, np.linspace(0, 1, 11))
    np.testing.assert_allclose(quantiles, np.linspace(0, 1, 11), atol=0.15)


def small_critic(dtype: str, norm: float) -> keras.Model:
    """A critic with the same weights for every precision, and gradients of about that norm."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    normal = keras.initializers.RandomNormal
    return keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(
                8,
                4,
                strides=2,
                padding="same",
                kernel_initializer=normal(stddev=0.15 * norm**0.5),
                dtype=dtype,
            ),
            layers.LeakyReLU(0.2, dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(1, kernel_initializer=normal(stddev=0.15 * norm**0.5), dtype=dtype),
        ]
    )


@pytest.mark.parametrize("norm", [1e-6, 1e-3, 1.0, 1000.0])
def test_mixed_float16_stays_close_to_float32(norm: float) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (2, 4, 16, 16, 1)).astype(np.float32)
    critics = [small_critic(dtype, norm) for dtype in ("float32", "mixed_float16")]
    loss_scale = 2.0**10 / norm  # a typical loss scale in float16
    # With a target of zero small norms matter.
    for penalty in (
        lambda critic: penalties.gradient_penalty(critic, *images, target=0.0, seed=SEED),
        lambda critic: penalties.dragan_penalty(critic, images[0], target=0.0, seed=SEED),
        lambda critic: penalties.r1_penalty(critic, images[0]),
    ):
        values, gradients = [], []
        for critic in critics:
            kernels = [layer.kernel.value for layer in (critic.layers[0], critic.layers[-1])]
            with tf.GradientTape() as tape:
                value = penalty(critic)
                scaled = value * loss_scale
            values.append(float(value))
            gradients.append(
                np.concatenate([k.numpy().ravel() for k in tape.gradient(scaled, kernels)])
            )
        assert norm / 3 < values[0] ** 0.5 < norm * 3
        assert values[1] == pytest.approx(values[0], rel=0.01)
        error = np.linalg.norm(gradients[1] - gradients[0]) / np.linalg.norm(gradients[0])
        assert error < 0.03
