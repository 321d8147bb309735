from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from tfgan2.training import stats


def line(step: int, **more: float) -> dict[str, float]:
    return {
        "step": step,
        "images": step * 8,
        "seconds": step / 10,
        "images_per_second": 80.0,
        "generator_loss": 1.0 / step,
        "real_score": 0.5,
        **more,
    }


def test_averages_continue_bitwise_from_their_state() -> None:
    values = [random.Random(0).random() for _ in range(100)]
    whole, first = stats.Averages(), stats.Averages()
    for value in values:
        whole.add({"loss": value})
    for value in values[:37]:
        first.add({"loss": value})
    second = stats.Averages(json.loads(json.dumps(first.state())))
    for value in values[37:]:
        second.add({"loss": value})
    assert second.state() == whole.state()
    means = whole.take()
    assert means["loss"] == pytest.approx(np.mean(values), rel=1e-5)
    assert whole.take() == {}


def test_a_metric_of_one_phase_is_averaged_over_its_own_steps() -> None:
    averages = stats.Averages()
    averages.add({"loss": 1.0, "content_loss": 4.0})
    averages = stats.Averages(json.loads(json.dumps(averages.state())))
    averages.add({"loss": 2.0, "content_loss": 6.0})
    averages.add({"loss": 3.0, "real_score": 0.5})
    assert averages.take() == {"loss": 2.0, "content_loss": 5.0, "real_score": 0.5}


def test_resuming_cuts_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    writer = stats.StatsWriter(tmp_path, 0)
    for step in (2, 4, 6, 8):
        writer.line(line(step))
    writer.close()
    with (tmp_path / "stats.jsonl").open("a") as file:
        file.write('{"step": 10, "ima')  # killed while writing
    assert [item["step"] for item in stats.read(tmp_path)] == [2, 4, 6, 8]
    writer = stats.StatsWriter(tmp_path, 5)
    writer.line(line(6, generator_loss=9.0))
    writer.close()
    lines = stats.read(tmp_path)
    assert [item["step"] for item in lines] == [2, 4, 6]
    assert lines[-1]["generator_loss"] == 9.0


def test_tensorboard_reads_no_step_twice(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start in (0, 4):
        writer = stats.StatsWriter(tmp_path, start)
        for step in range(start + 2, 9, 2):
            writer.line(line(step))
        writer.sync()
        writer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [event.step for event in events.Scalars("generator_loss")] == [2, 4, 6, 8]
    assert events.Scalars("generator_loss")[0].value == pytest.approx(0.5)


def test_curves_are_drawn(tmp_path: Path) -> None:
    stats.draw_losses(tmp_path)
    assert not (tmp_path / "losses.png").exists()  # nothing to draw yet
    (tmp_path / "stats.jsonl").write_text(json.dumps(line(1)) + "\n" + json.dumps(line(2)) + "\n")
    stats.draw_losses(tmp_path)
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_curves_of_a_phase_that_has_ended_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    shown: list[str] = []
    plot = Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda *a, label, **k: (shown.append(label), plot(*a, label=label, **k))
    )
    lines = [line(1, text_loss=2.0), line(2, text_loss=1.0), line(3), line(4)]
    (tmp_path / "stats.jsonl").write_text("".join(json.dumps(item) + "\n" for item in lines))
    stats.draw_losses(tmp_path)
    assert sorted(shown) == ["generator loss", "real score", "text loss"]
