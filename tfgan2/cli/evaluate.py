"""`tfgan2 evaluate`: measures the images of a run, a file or a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from tfgan2.cli import tables
from tfgan2.cli.options import given, with_declared
from tfgan2.evaluation import FIGURES, Evaluation, EvaluationRequest
from tfgan2.evaluation.result import protocol_title
from tfgan2.remote import local_copy, local_out
from tfgan2.runtime.shipped import located


@with_declared(EvaluationRequest)
def evaluate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A run (local or gs://…), a .onnx or .tflite file of `tfgan2 export`, "
            "pretrained:digits, or a directory of images.",
            show_default=False,
        ),
    ],
    real: Annotated[
        Path | None,
        typer.Argument(
            help="A directory of real images to compare with.",
            show_default="the training data of the run",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Directory for classifiers and features of real images; default $TFGAN2_CACHE or "
            "~/.cache/tfgan2.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Directory for the result: JSON, a page and images; default a new one in "
            "RUN/evaluation, or in evaluation here.",
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Compare generated images with real ones: FID, KID, IS, precision, recall and more."""
    from tfgan2.evaluation.sources import evaluate_and_write  # slow to import
    from tfgan2.training.progress import Display

    request = EvaluationRequest(real_dir=real, cache_dir=cache, **given(options))
    folder = local_out(source, out)
    evaluation, out = evaluate_and_write(located(local_copy(source)), request, folder, Display())
    _show(evaluation)
    print(f"{out / 'index.html'}: figures, images and protocol {evaluation.protocol_id}")


def _show(evaluation: Evaluation) -> None:
    print(protocol_title(evaluation.protocol))
    console = tables.console()
    table = Table("figure", Column("value", justify="right"), "better", "meaning")
    for name, value in evaluation.figures.items():
        figure = FIGURES[name]
        table.add_row(figure.title, figure.text(value), figure.better, figure.meaning)
    console.print(table)
    if evaluation.by_class:
        table = Table(
            "class", Column("FID", justify="right"), Column("labels right", justify="right")
        )
        for name, values in evaluation.by_class.items():
            fid, right = (values.get(key) for key in ("fid", "label_accuracy"))
            cells = ("" if fid is None else f"{fid:.3f}", "" if right is None else f"{right:.1%}")
            table.add_row(name, *cells)
        console.print(table)
