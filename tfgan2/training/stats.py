"""Statistics of a run: `stats.jsonl` and the curves drawn from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfgan2.files import written_atomically

TIMES = ("seconds", "images_per_second", "input_share")
"""The values that differ between two runs of one configuration."""
_NOT_CURVES = ("step", "images", *TIMES)


def read(run_dir: Path) -> list[dict[str, Any]]:
    """Reads the lines of `stats.jsonl`, without a last line that was cut off."""
    path = run_dir / "stats.jsonl"
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def draw_losses(run_dir: Path) -> None:
    """Draws all curves of `stats.jsonl` to `losses.png`.

    Losses come first, then the other metrics, then the figures of evaluations: those up to 1 share
    one plot, each larger one has its own, since their scales differ.
    """
    from matplotlib.figure import Figure

    # From all lines, so that the curves of a phase that has ended stay.
    curves: dict[str, list[tuple[int, float]]] = {}
    for line in read(run_dir):
        for name in line:
            if name not in _NOT_CURVES:
                curves.setdefault(name, []).append((line["step"], line[name]))
    if not curves:
        return
    plots: dict[tuple[int, str], list[str]] = {}
    for name in curves:
        plots.setdefault(_plot_of(name, curves[name]), []).append(name)
    figure = Figure(figsize=(8, 3 * len(plots)), layout="constrained")
    all_axes = figure.subplots(len(plots), sharex=True, squeeze=False)[:, 0]
    for axes, plot in zip(all_axes, sorted(plots, key=lambda plot: plot[0]), strict=True):
        for name in plots[plot]:
            points = curves[name][:: max(1, len(curves[name]) // 2000)]
            marker = "." if len(points) < 30 else None
            axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker=marker)
        axes.legend()
        axes.grid(alpha=0.3)
    axes.set_xlabel("step")
    with written_atomically(run_dir / "losses.png") as partial:
        figure.savefig(partial, format="png", dpi=100)


def _plot_of(name: str, points: Sequence[tuple[int, float]]) -> tuple[int, str]:
    """The place of a curve's plot, and a name if the plot is its own."""
    if "/" not in name:
        return (0, "") if name.endswith("loss") else (1, "")
    return (2, "") if max(abs(value) for _, value in points) <= 1 else (3, name)
