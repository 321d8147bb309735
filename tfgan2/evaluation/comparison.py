"""Compares runs: their figures by protocol, their samples and their curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfgan2 import runs
from tfgan2.errors import UserError
from tfgan2.evaluation.figures import FIGURES
from tfgan2.evaluation.result import read_results
from tfgan2.files import written_atomically
from tfgan2.images.files import open_grid
from tfgan2.training import stats

_CURVES = ("fid", "kid", "is", "good_samples", "modes_found", "l1")
_LOSSES = ("generator_loss", "discriminator_loss", "loss")

Points = list[tuple[float, float]]
Plot = tuple[str, str, dict[str, Points]]
"""Title, label of the y axis, and a curve over kimg for each run."""


@dataclass(frozen=True)
class Protocol:
    """Comparable results: the lines of each run, by step, under the content of one protocol."""

    id: str
    content: dict[str, Any]
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def figures(self) -> list[str]:
        """The names of all figures in the results."""
        found = {name for run in self.results.values() for each in run for name in each["figures"]}
        return [name for name in FIGURES if name in found]

    def curves(self, figure: str) -> dict[str, Points]:
        """The values of a figure over kimg, by the name of the run."""
        curves: dict[str, Points] = {}
        for name, results in self.results.items():
            for who, figures in ((result["who"], result["figures"]) for result in results):
                if figure in figures and "kimg" in who:
                    curves.setdefault(name, []).append((who["kimg"], figures[figure]))
        return curves


def name_runs(paths: Sequence[Path]) -> dict[str, Path]:
    """Returns run directories by a unique name.

    Raises:
        UserError: a path is not a run, is damaged, or is given twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("a run is given twice: give each run once")
    for path in paths:
        runs.RunConfig.read(path)  # raises unless it is a run
    by_name = {path.resolve().name: path for path in paths}
    return by_name if len(by_name) == len(paths) else {str(path): path for path in paths}


def by_protocol(run_dirs: Mapping[str, Path]) -> list[Protocol]:
    """Groups the results of runs by protocol; the protocol of the most runs comes first."""
    protocols: dict[str, Protocol] = {}
    for name, path in run_dirs.items():
        for result in read_results(path):
            key = result["protocol_id"]
            protocol = protocols.setdefault(key, Protocol(key, result["protocol"]))
            protocol.results.setdefault(name, []).append(result)
    return sorted(protocols.values(), key=lambda protocol: -len(protocol.results))


def draw(run_dirs: Mapping[str, Path], protocols: Sequence[Protocol], path: Path) -> None:
    """Draws the newest samples of the runs, and curves of their figures and losses over kimg.

    Each plot of figures has one protocol.

    Raises:
        UserError: a grid cannot be read, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    plots = _plots(run_dirs, protocols)
    columns = max(2, min(4, len(run_dirs)))
    grid_rows, plot_rows = (-(-len(each) // columns) for each in (run_dirs, plots))
    heights = [4.0] * grid_rows + [3.2] * plot_rows
    figure = Figure(figsize=(4.2 * columns, sum(heights)), layout="constrained")
    all_axes = figure.subplots(
        len(heights), columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axes in all_axes.flat:
        axes.set_axis_off()
    for axes, (name, run_dir) in zip(all_axes[:grid_rows].flat, run_dirs.items(), strict=False):
        title = _literal(name)
        for step, grid in [*runs.sample_grids(run_dir).items()][-1:]:
            axes.imshow(open_grid(grid).convert("RGB"), interpolation="nearest")
            title += f"\nstep {step:,}"
        axes.set_title(title, fontsize=9)
    for axes, (title, label, curves) in zip(all_axes[grid_rows:].flat, plots, strict=False):
        axes.set_axis_on()
        for name, points in curves.items():
            marker = "." if len(points) < 30 else None
            axes.plot(*zip(*points, strict=True), label=_literal(name), marker=marker)
        axes.set_title(title, fontsize=9)
        axes.set(xlabel="kimg", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    with written_atomically(path, parents=True) as partial:
        figure.savefig(partial, format="png", dpi=100)


def _literal(name: str) -> str:
    """Returns a name for Matplotlib, which would read $x$ as mathematics and draws Unicode only."""
    return name.replace("$", r"\$").encode(errors="replace").decode()


def _plots(run_dirs: Mapping[str, Path], protocols: Sequence[Protocol]) -> list[Plot]:
    plots: list[Plot] = []
    for protocol in protocols:
        title = f"{protocol.content.get('features', {}).get('name', '')} {protocol.id}".strip()
        for figure in _CURVES:
            curves = protocol.curves(figure)
            if any(len(points) > 1 for points in curves.values()):
                plots.append((title, FIGURES[figure].title, curves))
    statistics = {name: stats.read(path) for name, path in run_dirs.items()}
    for loss in _LOSSES:
        curves = {}
        for name, lines in statistics.items():
            points = [(line["images"] / 1000, line[loss]) for line in lines if loss in line]
            if points:
                curves[name] = points[:: max(1, len(points) // 500)]
        if curves:
            plots.append(("comparable within a flavour only", loss.replace("_", " "), curves))
    return plots
