"""The callback that writes `stats.jsonl` and TensorBoard's file."""

from __future__ import annotations

import json
import random
import resource
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tfgan2.images import save_grid
from tfgan2.training import stats
from tfgan2.training.callbacks import Statistics
from tfgan2.training.calls import Call


class Steps:
    """Calls the callback as a training from step `start` on does."""

    def __init__(self, run_dir: Path, start: int = 0, every: int = 2, **state: Any) -> None:
        self.callback = Statistics(run_dir, every=every, images_per_step=8)
        step = SimpleNamespace(numpy=lambda: start)
        self.callback.set_model(SimpleNamespace(step=step, planned_steps=10**6))
        if state:
            self.callback.restore(json.loads(json.dumps(state)))
        self.callback.on_train_begin()
        self.step = start

    def add(self, **metrics: float) -> None:
        self.callback.on_train_batch_begin(self.step)
        self.callback.on_train_batch_end(self.step, metrics)
        self.step += 1


def test_averages_continue_bitwise_from_their_state(tmp_path: Path) -> None:
    values = [random.Random(0).random() for _ in range(100)]
    whole, first = Steps(tmp_path / "whole", every=100), Steps(tmp_path / "parts", every=100)
    for value in values:
        whole.add(loss=value)
    for value in values[:37]:
        first.add(loss=value)
    second = Steps(tmp_path / "parts", 37, 100, **first.callback.state())
    for value in values[37:]:
        second.add(loss=value)
    assert second.callback.line["loss"] == whole.callback.line["loss"]
    assert whole.callback.line["loss"] == pytest.approx(np.mean(values), rel=1e-5)
    assert whole.callback.state()["averages"] == {"counts": {}, "sums": {}}


def test_a_metric_of_one_phase_is_averaged_over_its_own_steps(tmp_path: Path) -> None:
    first = Steps(tmp_path, every=3)
    first.add(loss=1.0, content_loss=4.0)
    steps = Steps(tmp_path, 1, 3, **first.callback.state())
    steps.add(loss=2.0, content_loss=6.0)
    steps.add(loss=3.0, real_score=0.5)
    line = steps.callback.line
    assert {**line, "loss": 2.0, "content_loss": 5.0, "real_score": 0.5} == line


def test_the_speed_is_that_of_calls_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of callbacks that come before the statistics, such as the one that generates grids."""
    clock = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    steps = Steps(tmp_path)
    steps.callback.call = Call([{"loss": 1.0}], 0.25, 0.05, False, (False, False))
    for _ in range(2):
        steps.add()
    line = steps.callback.line
    assert (line["seconds"], line["images_per_second"], line["input_share"]) == (0.5, 32.0, 0.2)


def test_a_line_has_no_speed_before_the_first_step_after_compiling(tmp_path: Path) -> None:
    steps = Steps(tmp_path, every=1)
    steps.add(loss=1.0)
    steps.add(loss=1.0)
    assert ["images_per_second" in line for line in stats.read(tmp_path)] == [False, True]


def test_overhead_is_the_time_between_steps_over_that_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    steps = Steps(tmp_path)
    for compiled in (True, False, False):  # each begins 2 s after the one before
        seconds = 2.0 if compiled else 0.5
        steps.callback.call = Call([{"loss": 1.0}], seconds, 0.0, compiled, (False, False))
        steps.add()
    assert steps.callback.overhead == 1.5  # after the compiled one 0 s, then 1.5 s


def test_resuming_cuts_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    for _ in range(8):
        steps.add(loss=1.0)
    steps.callback.close()
    with (tmp_path / "stats.jsonl").open("a") as file:
        file.write('{"step": 10, "ima')  # killed while writing
    assert [line["step"] for line in stats.read(tmp_path)] == [2, 4, 6, 8]
    steps = Steps(tmp_path, 5)
    steps.add(loss=9.0)
    steps.callback.close()
    lines = stats.read(tmp_path)
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert lines[-1]["loss"] == 9.0


@pytest.mark.parametrize("is_remote", [False, True])
@pytest.mark.parametrize("again", [0, 4])
def test_tensorboard_reads_no_step_twice(again: int, is_remote: bool, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    remote = tmp_path / "remote"
    remote.mkdir()
    for number, start in enumerate((0, again)):
        steps = Steps(tmp_path, start)
        for _ in range(start, 8):
            steps.add(loss=0.5)
        steps.callback.close()
        for path in tmp_path.glob("events.*") if is_remote else ():  # they are copied there
            path.rename(remote / f"events.out.tfevents.{number}")
    events = EventAccumulator(str(remote if is_remote else tmp_path))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [2, 4, 6, 8]
    assert events.Scalars("loss")[0].value == pytest.approx(0.5)


def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path) -> None:
    """TensorFlow's own, which TensorBoard's writer raises, would count as one of the memory."""
    noise = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    save_grid(tmp_path / "grid.png", noise)
    steps = Steps(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            steps.callback.image(2, tmp_path / "grid.png")
            steps.callback.state()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    steps.callback.close()
