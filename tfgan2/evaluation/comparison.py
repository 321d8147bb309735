"""Compares runs: their figures by protocol, their samples and their curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from tfgan2 import runs
from tfgan2.errors import UserError
from tfgan2.evaluation.figures import FIGURES
from tfgan2.evaluation.result import read_results
from tfgan2.files import written_atomically
from tfgan2.training import stats

_CURVES = ("fid", "kid", "is", "good_samples", "modes_found", "l1")

Points = list[tuple[float, float]]
Plot = tuple[str, str, dict[str, Points]]
"""Title, label of the y axis, and a curve over kimg for each run."""


@dataclass(frozen=True)
class ComparedRun:
    """A run in a comparison.

    Attributes:
        path: the run directory.
        name: unique in the comparison.
        results: of its evaluations, by step.
        lines: of its statistics.
    """

    path: Path
    name: str
    results: list[dict[str, Any]]
    lines: list[dict[str, Any]]


@dataclass(frozen=True)
class Protocol:
    """Results that are comparable.

    Attributes:
        id: of the protocol.
        content: the protocol itself.
        figures: the names of all figures in the results.
        results: by the name of the run, then by step.
    """

    id: str
    content: dict[str, Any]
    figures: list[str] = field(default_factory=list)
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def features(self) -> str:
        """Name of the features; "" for points."""
        return self.content.get("features", {}).get("name", "")

    @property
    def title(self) -> str:
        """Features, reference and samples in a line."""
        reference, samples = self.content["reference"], self.content["samples"]
        parts = [
            f"{self.features} features" if self.features else "modes",
            " ".join(str(reference.get(key, "")) for key in ("dataset", "split", "part")),
        ]
        if "images" in reference:
            parts.append(f"{reference['images']:,} real images")
        parts.append(f"{samples['images']:,} samples")
        if "seed" in samples:
            parts.append(f"seed {samples['seed']}")
        return ", ".join(" ".join(part.split()) for part in parts)


def read_runs(paths: Sequence[Path]) -> list[ComparedRun]:
    """Reads the results and statistics of runs.

    Raises:
        UserError: a path is not a run, is damaged, or is given twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("a run is given twice: give each run once")
    names = [path.resolve().name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    compared = []
    for path, name in zip(paths, names, strict=True):
        runs.RunConfig.read(path)  # raises unless it is a run
        compared.append(ComparedRun(path, name, read_results(path), stats.read(path)))
    return compared


def by_protocol(compared: Sequence[ComparedRun]) -> list[Protocol]:
    """Groups all results by protocol; the protocol of the most runs comes first."""
    protocols: dict[str, Protocol] = {}
    for run in compared:
        for result in run.results:
            key = result["protocol_id"]
            protocol = protocols.setdefault(key, Protocol(key, result["protocol"]))
            protocol.results.setdefault(run.name, []).append(result)
            new = [name for name in result["figures"] if name not in protocol.figures]
            protocol.figures.extend(name for name in new if name in FIGURES)
    return sorted(protocols.values(), key=lambda protocol: -len(protocol.results))


def draw(compared: Sequence[ComparedRun], path: Path) -> None:
    """Draws the newest samples of the runs, and curves of their figures and losses over kimg.

    Each plot of figures has one protocol.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    plots = _plots(compared)
    columns = max(2, min(4, len(compared)))
    grid_rows, plot_rows = (-(-len(each) // columns) for each in (compared, plots))
    heights = [4.0] * grid_rows + [3.2] * plot_rows
    figure = Figure(figsize=(4.2 * columns, sum(heights)), layout="constrained")
    all_axes = figure.subplots(
        len(heights), columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axes in all_axes.flat:
        axes.set_axis_off()
    for axes, run in zip(all_axes[:grid_rows].flat, compared, strict=False):
        grids = sorted((run.path / "samples").glob("step-*.png"))
        title = run.name
        if grids:
            with Image.open(grids[-1]) as image:
                axes.imshow(image.convert("RGB"), interpolation="nearest")
            title += f"\nstep {int(grids[-1].stem.removeprefix('step-')):,}"
        axes.set_title(title, fontsize=9)
    for axes, (title, label, curves) in zip(all_axes[grid_rows:].flat, plots, strict=False):
        axes.set_axis_on()
        for name, points in curves.items():
            marker = "." if len(points) < 30 else None
            axes.plot(*zip(*points, strict=True), label=name, marker=marker)
        axes.set_title(title, fontsize=9)
        axes.set(xlabel="kimg", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as partial:
        figure.savefig(partial, format="png", dpi=100)


def _plots(compared: Sequence[ComparedRun]) -> list[Plot]:
    plots: list[Plot] = []
    for protocol in by_protocol(compared):
        for figure in (name for name in _CURVES if name in protocol.figures):
            curves = {
                name: [
                    (result["who"]["kimg"], result["figures"][figure])
                    for result in results
                    if figure in result["figures"] and "kimg" in result["who"]
                ]
                for name, results in protocol.results.items()
            }
            curves = {name: points for name, points in curves.items() if points}
            if any(len(points) > 1 for points in curves.values()):
                title = f"{protocol.features} {protocol.id}".strip()
                plots.append((title, FIGURES[figure].title, curves))
    for loss in ("generator_loss", "discriminator_loss", "loss"):
        curves = {
            run.name: [(line["images"] / 1000, line[loss]) for line in run.lines if loss in line]
            for run in compared
        }
        curves = {name: _thinned(points) for name, points in curves.items() if points}
        if curves:
            plots.append(("comparable within a flavour only", loss.replace("_", " "), curves))
    return plots


def _thinned(points: Points) -> Points:
    return points[:: max(1, len(points) // 500)]
