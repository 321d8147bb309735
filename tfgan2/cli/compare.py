"""`tfgan2 compare`: several runs in a table and an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from tfgan2.cli import tables
from tfgan2.cli.options import local, quoted, split_at_commas
from tfgan2.errors import UserError, unknown
from tfgan2.evaluation import comparison
from tfgan2.evaluation.figures import FIGURES, RANKED
from tfgan2.evaluation.result import protocol_title


def compare(
    run: Annotated[list[str], typer.Argument(help="Two or more runs.", show_default=False)],
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
    chosen = split_at_commas(figures) or list(RANKED)
    for name in chosen:
        if name not in FIGURES:
            raise unknown("figure", name, FIGURES)
    if out.suffix.lower() != ".png":
        raise UserError(f"cannot write {out.name!r}: give a .png")
    run_dirs = comparison.name_runs([local(each) for each in run])
    protocols = comparison.by_protocol(run_dirs)
    for protocol in protocols:
        _show(protocol, [name for name in protocol.figures if name in chosen])
    for name, path in run_dirs.items():
        if not any(name in protocol.results for protocol in protocols):
            print(f"{name} has no results: tfgan2 evaluate {quoted(path)}")
    comparison.draw(run_dirs, protocols, out)
    print(f"{out}: samples and curves of {len(run_dirs)} runs")


def _show(protocol: comparison.Protocol, names: list[str]) -> None:
    """Prints the newest figures of one protocol."""
    if not names:
        return
    print(f"protocol {protocol.id}: {protocol_title(protocol.content)}")
    console = tables.console(200)
    numbers = ("step", "kimg", *(FIGURES[name].title for name in names))
    columns = [Column(title, justify="right") for title in numbers]
    table = Table(Column("run", overflow="fold"), "flavour", "weights", *columns)
    newest = {run: results[-1] for run, results in protocol.results.items()}
    for run, result in newest.items():
        about = result["who"]
        table.add_row(
            run,
            about.get("flavour", ""),
            about.get("weights", ""),
            f"{about.get('step', 0):,}",
            f"{about.get('kimg', 0):,.1f}",
            *(_cell(name, result, list(newest.values())) for name in names),
        )
    console.print(table)


def _cell(name: str, result: dict[str, Any], others: list[dict[str, Any]]) -> str | Text:
    """The value of a figure, bold if it is the best of several; empty if there is none."""
    value, figure = result["figures"].get(name), FIGURES[name]
    if value is None:
        return ""
    values = [other["figures"][name] for other in others if name in other["figures"]]
    best = {"lower": min, "higher": max}.get(figure.better)
    if best is not None and len(values) > 1 and value == best(values):
        return Text(figure.text(value), style="bold")
    return figure.text(value)
