"""Every loss: golden value, dtype, patch-shaped input, extreme logits."""

from __future__ import annotations

import loss_checks
import numpy as np
import pytest
from loss_checks import Case

from tfgan2.nn import losses

REAL = np.array([1.5, -0.5, 0.25, 3.0], np.float32)
FAKE = np.array([-1.0, 0.75, 2.0, -2.5], np.float32)


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0.0, -x.astype(np.float64))


def cross_entropy(logits: np.ndarray, target: float) -> float:
    return float(-np.mean(target * log_sigmoid(logits) + (1 - target) * log_sigmoid(-logits)))


CASES = {
    "minimax_discriminator": Case(
        losses.minimax_discriminator_loss,
        (REAL, FAKE),
        cross_entropy(REAL, 1.0) + cross_entropy(FAKE, 0.0),
    ),
    "minimax_discriminator_smoothed": Case(
        losses.minimax_discriminator_loss,
        (REAL, FAKE),
        cross_entropy(REAL, 0.9) + cross_entropy(FAKE, 0.0),
        {"label_smoothing": 0.1},
    ),
    "minimax_generator": Case(
        losses.minimax_generator_loss,
        (FAKE,),
        np.mean(np.log(1.0 - 1.0 / (1.0 + np.exp(-FAKE.astype(np.float64))))),
    ),
    "non_saturating_generator": Case(
        losses.non_saturating_generator_loss, (FAKE,), cross_entropy(FAKE, 1.0)
    ),
    "sigmoid_cross_entropy": Case(
        losses.sigmoid_cross_entropy, (FAKE,), cross_entropy(FAKE, 0.3), {"targets": 0.3}
    ),
    "least_squares_discriminator": Case(
        losses.least_squares_discriminator_loss,
        (REAL, FAKE),
        # (0.5² + 1.5² + 0.75² + 2²) / 8 + (1² + 0.75² + 2² + 2.5²) / 8
        7.0625 / 8 + 11.8125 / 8,
    ),
    "lecam": Case(
        losses.lecam_regularization,
        (REAL, FAKE),
        np.mean((REAL - 0.25) ** 2) + np.mean((FAKE - 1.5) ** 2),
        {"real_average": 1.5, "fake_average": 0.25},
    ),
    "least_squares_generator": Case(
        losses.least_squares_generator_loss,
        (FAKE,),
        (4.0 + 0.0625 + 1.0 + 12.25) / 8,
    ),
    "wasserstein_discriminator": Case(
        losses.wasserstein_discriminator_loss, (REAL, FAKE), -0.75 / 4 - 4.25 / 4
    ),
    "wasserstein_generator": Case(losses.wasserstein_generator_loss, (FAKE,), 0.75 / 4),
    "hinge_discriminator": Case(
        losses.hinge_discriminator_loss,
        (REAL, FAKE),
        (0.0 + 1.5 + 0.75 + 0.0) / 4 + (0.0 + 1.75 + 3.0 + 0.0) / 4,
    ),
    "relativistic_average_discriminator": Case(
        losses.relativistic_average_discriminator_loss,
        (REAL, FAKE),
        cross_entropy(REAL + 0.75 / 4, 1.0) + cross_entropy(FAKE - 4.25 / 4, 0.0),
    ),
    "relativistic_average_generator": Case(
        losses.relativistic_average_generator_loss,
        (REAL, FAKE),
        cross_entropy(REAL + 0.75 / 4, 0.0) + cross_entropy(FAKE - 4.25 / 4, 1.0),
    ),
    "relativistic_pairing_discriminator": Case(
        losses.relativistic_pairing_discriminator_loss,
        (REAL, FAKE),
        cross_entropy(REAL - FAKE, 1.0),
    ),
    "relativistic_pairing_generator": Case(
        losses.relativistic_pairing_generator_loss,
        (REAL, FAKE),
        np.mean(np.log1p(np.exp(np.array([2.5, -1.25, -1.75, 5.5])))),
    ),
    "absolute_error": Case(losses.absolute_error, (REAL, FAKE), (2.5 + 1.25 + 1.75 + 5.5) / 4),
    "squared_error": Case(losses.squared_error, (REAL, FAKE), (6.25 + 1.5625 + 3.0625 + 30.25) / 4),
    "kl_divergence": Case(  # of two samples with two latents each, here (mean, log_var)
        losses.kl_divergence,
        (REAL, FAKE),
        np.mean(np.exp(FAKE, dtype=np.float64) + np.square(REAL) - 1.0 - FAKE),
        shapes=((2, 2), (2, 2, 1), (2, 1, 2)),
        extremes=(1e4, 80.0),  # a variance must fit into float32
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_golden_value_in_any_shape(case: Case) -> None:
    loss_checks.check_golden_value_in_any_shape(case)


def test_float16_in_float32_out(case: Case) -> None:
    loss_checks.check_float16_in_float32_out(case)


@pytest.mark.parametrize("sign", [None, 1.0, -1.0])
def test_gradients_are_finite_at_extreme_logits(case: Case, sign: float | None) -> None:
    loss_checks.check_gradients_are_finite_at_extremes(case, sign)


def test_every_function_has_a_case() -> None:
    loss_checks.check_every_function_has_a_case(losses, CASES.values())
