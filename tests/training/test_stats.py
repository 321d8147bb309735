from __future__ import annotations

import json
from pathlib import Path

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


def test_curves_are_drawn(tmp_path: Path) -> None:
    stats.draw_losses(tmp_path)
    assert not (tmp_path / "losses.png").exists()  # nothing to draw yet
    (tmp_path / "stats.jsonl").write_text(json.dumps(line(1)) + "\n" + json.dumps(line(2)) + "\n")
    stats.draw_losses(tmp_path)
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("damaged", [b'{"step": 2, "gen', b"\xff\xfe", b"3", b"{}"])
def test_lines_are_read_up_to_a_damaged_one(damaged: bytes, tmp_path: Path) -> None:
    whole = json.dumps(line(1)).encode()
    (tmp_path / "stats.jsonl").write_bytes(b"\n".join([whole, damaged, whole]))
    assert stats.read(tmp_path) == [line(1)]


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
