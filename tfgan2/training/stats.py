"""Statistics of a run: `stats.jsonl` and the curves drawn from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from tfgan2.files import written_atomically

TIMES = ("seconds", "images_per_second", "input_share")
"""The values that differ between two runs of one configuration."""
_NOT_CURVES = ("step", "images", *TIMES)


def read(run_dir: Path) -> list[dict[str, Any]]:
    """Reads the lines of `stats.jsonl` up to the first that is damaged or was cut off."""
    path = run_dir / "stats.jsonl"
    lines: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            content = json.loads(line)
        except ValueError:  # of UTF-8, too
            break
        if not isinstance(content, dict) or "step" not in content:
            break
        lines.append(content)
    return lines


def curves(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Returns the steps and values of each metric and figure.

    From all lines, so that the curves of a phase that has ended stay.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        for name in line:
            if name not in _NOT_CURVES:
                found.setdefault(name, []).append((line["step"], line[name]))
    return found


def groups(
    curves: Mapping[str, list[tuple[int, float]]],
) -> list[tuple[str, dict[str, list[tuple[int, float]]]]]:
    """Returns the curves that share a plot, with its title.

    Losses come first, then the other metrics, then the figures of evaluations: those up to 1 share
    one plot, each larger one has its own, since their scales differ.
    """

    def plot_of(name: str) -> tuple[int, str]:
        if "/" not in name:
            return (0, "losses") if name.endswith("loss") else (1, "metrics")
        small = max(abs(value) for _, value in curves[name]) <= 1
        return (2, "figures") if small else (3, name)

    grouped = groupby(sorted(curves, key=plot_of), plot_of)
    return [(title, {name: curves[name] for name in names}) for (_, title), names in grouped]


def draw_losses(run_dir: Path) -> None:
    """Draws all curves of `stats.jsonl` to `losses.png`."""
    from matplotlib.figure import Figure

    shown = curves(read(run_dir))
    if not shown:
        return
    plots = groups(shown)
    figure = Figure(figsize=(8, 3 * len(plots)), layout="constrained")
    all_axes = figure.subplots(len(plots), sharex=True, squeeze=False)[:, 0]
    for axes, (_, group) in zip(all_axes, plots, strict=True):
        for name, every in group.items():
            points = every[:: max(1, len(every) // 2000)]
            marker = "." if len(points) < 30 else None
            axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker=marker)
        axes.legend()
        axes.grid(alpha=0.3)
    axes.set_xlabel("step")
    with written_atomically(run_dir / "losses.png") as partial:
        figure.savefig(partial, format="png", dpi=100)
