"""The alarm for collapse: its figure in the statistics, and when it warns."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import SGD

import tfgan2
from tfgan2.models.base import View
from tfgan2.training import stats
from tfgan2.training.callbacks.collapse import LEAST_DIVERSITY, CollapseAlarm

OPTIONS = {"batch_size": 16, "seed": 3, "xla": False, "quiet": True}
RNG = np.random.default_rng(0)
REALS = np.tanh(RNG.normal(0, 1, (40, 1, 1, 3)) + RNG.normal(0, 1, (40, 8, 8, 3)) * 0.3)


class Grids:
    """Calls the alarm with one grid after the other."""

    def __init__(self, reals: np.ndarray | None = REALS, **hyperparameters: object) -> None:
        self.lines: list[str] = []
        self.figures: dict[str, float] = {}
        self.reals, self.view = reals, None
        previews = SimpleNamespace(every=10, views=lambda: {"": self.view})
        statistics = SimpleNamespace(figures=self.figures)
        self.alarm = CollapseAlarm(previews, statistics, self.lines.append)
        self.alarm.set_model(SimpleNamespace(config=hyperparameters))

    def show(self, alike: float) -> float | None:
        """Shows a grid, a fraction of which has the same image; returns its diversity."""
        images = REALS[::-1].copy()
        images[: int(alike * len(images))] = images[0]
        self.view = View(images, reals=self.reals)
        self.figures.clear()
        self.alarm.step += 10
        self.alarm.act()
        return self.figures.get("diversity")


def test_one_warning_until_it_recovers() -> None:
    grids = Grids(packing=1)
    # Early images are alike; then never two in a row.
    for alike in (0.9, 0.9, 0.0, 0.5, 0.5, 0.0, 0.0, 0.5, 0.0, 0.5):
        grids.show(alike)
    assert grids.lines == []
    value = grids.show(0.5)
    assert value < LEAST_DIVERSITY
    (line,) = grids.lines
    assert line.startswith(
        f"warning: at step 110, many samples look alike (diversity {value:.2f}, below"
    )
    assert "\n" not in line and "packing=2" in line
    for alike in (0.6, 0.9, 0.5, 0.0, 0.5, 0.5):
        grids.show(alike)
    assert len(grids.lines) == 1
    for alike in (0.0, 0.0, 0.5, 0.5):
        grids.show(alike)
    assert len(grids.lines) == 2


def test_images_that_never_varied_give_a_late_warning() -> None:
    grids = Grids()
    for _ in range(12):
        grids.show(0.9)
    assert grids.lines == []
    grids.alarm.step = 2000
    grids.show(0.9)
    grids.show(0.9)
    assert len(grids.lines) == 1


@pytest.mark.parametrize(
    ("hyperparameters", "advice"),
    [
        (
            {"packing": 1, "augment": "none", "discriminator_learning_rate": 2e-4},
            "; packing=2 or augment=color,translation or a lower discriminator_learning_rate may "
            "help",
        ),
        (
            {"augment": "cutout", "discriminator_learning_rate": 2e-4},
            "; a lower discriminator_learning_rate may help",
        ),
        ({"packing": 2}, ""),
        ({"latent_dim": 8}, ""),  # vae
    ],
)
def test_it_advises_what_the_run_does_not_have(hyperparameters: dict, advice: str) -> None:
    grids = Grids(**hyperparameters)
    for alike in (0.0, 0.0, 0.5, 0.5):
        grids.show(alike)
    (line,) = grids.lines
    assert line.endswith(f"): an earlier checkpoint may be better{advice}")


def test_its_state_continues() -> None:
    first, second = Grids(), Grids()
    for alike in (0.0, 0.0, 0.5):
        first.show(alike)
    second.alarm.restore(json.loads(json.dumps(first.alarm.state())))
    second.show(0.5)
    assert len(second.lines) == 1 and first.lines == []


@pytest.mark.parametrize("reals", [None, REALS[:20]])
def test_without_enough_reals_there_is_no_figure(reals: np.ndarray | None) -> None:
    grids = Grids(reals)
    assert grids.show(0.9) is None


def test_points_have_none() -> None:
    grids = Grids()
    grids.view = View(np.zeros((50, 1, 1, 2)), reals=np.zeros((50, 1, 1, 2)))
    grids.alarm.act()
    assert grids.figures == {}


@pytest.mark.slow
def test_the_next_line_of_statistics_has_the_figure(tmp_path: Path) -> None:
    """Also that of a resumed run, if the checkpoint lies between grid and line."""
    options = {**OPTIONS, "log_every": 4, "sample_every": 3, "checkpoint_every": 3, "steps": 6}
    tiny = {"base_channels": 8, "latent_dim": 4, **SGD}
    run = tfgan2.fit("gan", "digits", out=tmp_path / "a", hyperparameters=tiny, **options)
    lines = stats.read(run.directory)
    assert [line["step"] for line in lines] == [4, 6]
    assert all(0 <= line["diversity"] <= 1 for line in lines)
    again = tfgan2.fit(
        "gan", "digits", out=tmp_path / "b", hyperparameters=tiny, **{**options, "steps": 3}
    )
    again = again.resume(steps=6, quiet=True)
    ends = [stats.read(each.directory)[-1] for each in (run, again)]
    assert ends[0]["diversity"] == ends[1]["diversity"]
