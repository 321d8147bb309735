"""Several runs side by side: their figures, their samples, their curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from tfgan2 import runs
from tfgan2.errors import UserError
from tfgan2.evaluation.figures import FIGURES
from tfgan2.evaluation.report import read_all
from tfgan2.files import written_atomically
from tfgan2.training import stats

_CURVES = ("fid", "kid", "is", "good_samples", "modes_found", "l1")


@dataclass(frozen=True)
class Compared:
    """A run in a comparison.

    Attributes:
        path: of the run.
        name: that tells it from the others.
        config: of the run.
        results: of its evaluations, by step.
        lines: of its statistics.
    """

    path: Path
    name: str
    config: runs.RunConfig
    results: list[dict[str, Any]]
    lines: list[dict[str, Any]]


@dataclass(frozen=True)
class Protocol:
    """Results that can be compared with each other.

    Attributes:
        id: of the protocol.
        content: the protocol itself.
        figures: the names of those that any result has.
        results: of each run that has some, by its name, by step.
    """

    id: str
    content: dict[str, Any]
    figures: list[str] = field(default_factory=list)
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What to know about it, in a line."""
        features = self.content.get("features", {}).get("name", "points")
        reference, made = self.content["reference"], self.content["samples"]
        parts = [
            f"{features} features" if features != "points" else "modes",
            " ".join(str(reference.get(key, "")) for key in ("dataset", "split", "part")).strip(),
        ]
        if "images" in reference:
            parts.append(f"{reference['images']:,} real images")
        parts.append(f"{made['images']:,} samples")
        if "seed" in made:
            parts.append(f"seed {made['seed']}")
        return ", ".join(" ".join(part.split()) for part in parts if part)


def read(paths: Sequence[Path]) -> list[Compared]:
    """Reads runs.

    Raises:
        UserError: one is no run, is damaged, or is given twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("a run is given twice: give each once")
    names = [path.resolve().name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    return [
        Compared(path, name, runs.RunConfig.read(path), read_all(path), stats.read(path))
        for path, name in zip(paths, names, strict=True)
    ]


def by_protocol(compared: Sequence[Compared]) -> list[Protocol]:
    """All results, those of one protocol together; the protocol that most runs have comes first."""
    found: dict[str, Protocol] = {}
    for run in compared:
        for result in run.results:
            key = result["protocol_id"]
            protocol = found.setdefault(key, Protocol(key, result["protocol"]))
            protocol.results.setdefault(run.name, []).append(result)
            new = [name for name in result["figures"] if name not in protocol.figures]
            protocol.figures.extend(name for name in new if name in FIGURES)
    return sorted(found.values(), key=lambda protocol: -len(protocol.results))


def draw(compared: Sequence[Compared], path: Path) -> None:
    """Draws the newest samples of each run side by side, and beneath curves over kimg.

    Figures of evaluations where there are any, of one protocol in each plot, else the losses.

    Raises:
        OSError: the disk refuses.
    """
    from matplotlib.figure import Figure

    plots = _plots(compared)
    columns = max(2, min(4, len(compared)))
    grid_rows, plot_rows = (-(-len(each) // columns) for each in (compared, plots))
    heights = [4.0] * grid_rows + [3.2] * plot_rows
    figure = Figure(figsize=(4.2 * columns, sum(heights)), layout="constrained")
    axes = figure.subplots(
        len(heights), columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for place in axes.flat:
        place.set_axis_off()
    for place, run in zip(axes[:grid_rows].flat, compared, strict=False):
        grids = sorted((run.path / "samples").glob("step-*.png"))
        title = run.name
        if grids:
            with Image.open(grids[-1]) as picture:
                place.imshow(picture.convert("RGB"), interpolation="nearest")
            title += f"\nstep {int(grids[-1].stem.removeprefix('step-')):,}"
        place.set_title(title, fontsize=9)
    for place, (title, label, curves) in zip(axes[grid_rows:].flat, plots, strict=False):
        place.set_axis_on()
        for name, points in curves.items():
            marker = "." if len(points) < 30 else None
            place.plot(*zip(*points, strict=True), label=name, marker=marker)
        place.set_title(title, fontsize=9)
        place.set(xlabel="kimg", ylabel=label)
        place.grid(alpha=0.3)
        place.legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as partial:
        figure.savefig(partial, format="png", dpi=100)


Plot = tuple[str, str, dict[str, list[tuple[float, float]]]]


def _plots(compared: Sequence[Compared]) -> list[Plot]:
    """Title, label and curves, by the names of the runs, of each plot."""
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
                title = f"{protocol.content.get('features', {}).get('name', '')} {protocol.id}"
                plots.append((title.strip(), FIGURES[figure].title, curves))
    for loss in ("generator_loss", "discriminator_loss", "loss"):
        curves = {
            run.name: [(line["images"] / 1000, line[loss]) for line in run.lines if loss in line]
            for run in compared
        }
        curves = {name: _thinned(points) for name, points in curves.items() if points}
        if curves:
            plots.append(("comparable within a flavour only", loss.replace("_", " "), curves))
    return plots


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return points[:: max(1, len(points) // 500)]
