"""The progress display."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tfgan2.training import progress
from tfgan2.training.callbacks.showing import Progress
from tfgan2.training.progress import Display, statistics_line


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def display(shown: io.StringIO) -> Display:
    return Display(Console(file=shown, soft_wrap=True, highlight=False))


@pytest.mark.parametrize(
    ("share", "text"), [(0.04, ""), (0.4, ", 40% of the time waiting for data")]
)
def test_waiting_for_data_is_shown(share: float, text: str) -> None:
    line = {"step": 5, "images": 80, "images_per_second": 16.0, "input_share": share}
    shown = statistics_line({**line, "generator_loss": 0.5}, 10)
    assert shown == f"step 5/10 | generator 0.500 | 16 images/s{text} | 0:00:05 left"


def test_the_time_left_includes_what_happens_between_steps() -> None:
    line = {"step": 5, "images": 80, "images_per_second": 16.0, "generator_loss": 0.5}
    assert statistics_line(line, 10, overhead=1.0).endswith("| 16 images/s | 0:00:10 left")


def test_a_speed_that_is_not_known_is_not_shown() -> None:
    assert statistics_line({"step": 1, "images": 16, "x_loss": 0.5}, 10) == "step 1/10 | x 0.500"


def test_a_folder_is_shown_as_its_remote_directory(display: Display, shown: io.StringIO) -> None:
    display.alias = ("/tmp/x/run", "gs://bucket/run")
    display.say("run: /tmp/x/run")
    assert shown.getvalue() == "run: gs://bucket/run\n"


@pytest.mark.parametrize("widgets", [True, False])
def test_a_notebook_shows_a_bar_if_it_can(widgets: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "find_spec", lambda name: name if widgets else None)
    assert Display(Console(force_jupyter=True)).has_bar == widgets


def test_the_bar_moves_at_most_ten_times_a_second(
    display: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[int] = []
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(
        progress.Progress, "update", lambda bar, task, **state: moves.append(state["completed"])
    )
    for step in range(1, 101):
        now[0] += 0.01
        display.move_bar("training", step, 100)
    display.close()
    assert 9 <= len(moves) <= 12 and moves[-1] == 100  # the end is always shown


def test_the_bar_of_a_training_shows_the_time_left_with_evaluations(shown: io.StringIO) -> None:
    statistics: Any = SimpleNamespace(
        line={"step": 4, "images_per_second": 16.0},
        images_per_second=0.0,  # a line was just written
        images_per_step=16,
        overhead=1.0,
    )
    callback = Progress(Display(Console(file=shown, force_terminal=True, width=100)), statistics)
    callback.set_model(SimpleNamespace(planned_steps=10))
    callback.step = 4
    callback.on_train_batch_begin(0)
    callback.on_train_batch_end(0, {"generator_loss": 0.5})
    callback.close()
    assert "0:00:10\x1b[0m generator 0.500 16 img/s" in shown.getvalue()
