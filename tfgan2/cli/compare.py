"""`tfgan2 compare`: several runs in a table and an image."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tfgan2.errors import UserError, cannot_write, unknown
from tfgan2.evaluation import comparison
from tfgan2.evaluation.figures import FIGURES


def compare(
    run: Annotated[list[Path], typer.Argument(help="Two or more runs.", show_default=False)],
    figures: Annotated[
        list[str] | None,
        typer.Option(
            help="For example fid, precision; repeat or use commas.",
            show_default="all with a better direction",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The image with samples and curves.")] = Path(
        "comparison.png"
    ),
) -> None:
    """Compare runs: figures of `tfgan2 evaluate`, samples and curves."""
    if len(run) < 2:
        raise UserError("a comparison needs two or more runs")
    chosen = [name.strip() for item in figures or [] for name in item.split(",") if name.strip()]
    for name in chosen:
        if name not in FIGURES:
            raise unknown("figure", name, FIGURES)
    if out.suffix.lower() != ".png":
        raise UserError(f"cannot write {out.name!r}: give a .png")
    compared = comparison.read_runs(run)
    protocols = comparison.by_protocol(compared)
    for protocol in protocols:
        _show(protocol, compared, chosen)
    evaluated = {name for protocol in protocols for name in protocol.results}
    for each in compared:
        if each.name not in evaluated:
            print(f"{each.name} has no results: tfgan2 evaluate {shlex.quote(str(each.path))}")
    try:
        comparison.draw(compared, out)
    except OSError as error:
        raise cannot_write(out, error) from error
    print(f"{out}: samples and curves of {len(compared)} runs")


def _show(
    protocol: comparison.Protocol, compared: list[comparison.ComparedRun], chosen: list[str]
) -> None:
    """Prints the newest figures of one protocol."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)  # a pipe has no width
    names = [
        name for name in protocol.figures if (name in chosen if chosen else FIGURES[name].better)
    ]
    if not names:
        return
    print(f"protocol {protocol.id}: {protocol.title}")
    table = Table()
    table.add_column("run", overflow="fold")
    for title in ("flavour", "weights"):
        table.add_column(title)
    for title in ("step", "kimg", *(FIGURES[name].title for name in names)):
        table.add_column(title, justify="right")
    newest = {name: results[-1] for name, results in protocol.results.items()}
    best = {name: _best(name, [each["figures"] for each in newest.values()]) for name in names}
    for run in compared:
        if run.name not in newest:
            continue
        about, figures = newest[run.name]["who"], newest[run.name]["figures"]
        cells = [_cell(name, figures, best[name]) for name in names]
        steps = [f"{about.get('step', 0):,}", f"{about.get('kimg', 0):,.1f}"]
        table.add_row(run.name, about.get("flavour", ""), about.get("weights", ""), *steps, *cells)
    console.print(table)


def _best(name: str, results: list[dict[str, float]]) -> float | None:
    values = [figures[name] for figures in results if name in figures]
    better = FIGURES[name].better
    if not better or len(values) < 2:
        return None
    return min(values) if better == "lower" else max(values)


def _cell(name: str, figures: dict[str, float], best: float | None) -> str:
    if name not in figures:
        return ""
    text = FIGURES[name].text(figures[name])
    return f"[bold]{text}[/bold]" if figures[name] == best else text
