"""The time of a training, estimated."""

from __future__ import annotations

import pytest
from helpers import make_small

from tfgan2.costs.estimate import in_words, training_seconds
from tfgan2.costs.report import report
from tfgan2.keras_model.batches import step_specs


@pytest.mark.slow
def test_it_grows_with_steps_and_work() -> None:
    model = make_small("dcgan")
    model.compile()
    short = training_seconds(model, step_specs(model, 8), 100)
    assert 0.01 < short < 100
    assert training_seconds(model, step_specs(model, 8), 1000) == pytest.approx(10 * short, rel=0.8)
    assert training_seconds(model, step_specs(model, 512), 100) > 2 * short


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "dcgan", "wgan-gp"])
def test_it_is_near_the_measured_time(name: str) -> None:
    measured = report(name)["measured"]["seconds_per_step"]
    from tfgan2.costs.report import any_model

    model = any_model(name, (32, 32, 3), {}, "float32")
    estimate = training_seconds(model, step_specs(model, model.batch_size), 1)
    assert 1 / 3 < estimate / measured < 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "about 3 seconds"),
        (119, "about 120 seconds"),
        (1111, "about 19 minutes"),
        (9000, "about 2.5 hours"),
        (600_000, "about 6.9 days"),
    ],
)
def test_in_words(seconds: float, text: str) -> None:
    assert in_words(seconds) == text
