"""`tfgan2 evaluate`: measures the images of a run, a file or a directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from tfgan2 import runs
from tfgan2.cli.options import Checkpoint
from tfgan2.errors import cannot_write
from tfgan2.remote import local_copy, local_out

if TYPE_CHECKING:
    from tfgan2.evaluation import Evaluation


def evaluate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A run (local or gs://…), a .onnx or .tflite file of `tfgan2 export`, or a "
            "directory of images.",
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
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="fid, kid, is, prdc, classes, modes, pairs, neighbours; repeat or use commas.",
            show_default="all that the data allow",
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="classifier, inception, inception-tf:FILE, pixels or random-conv-112.",
            show_default="classifier for data with labels, else random-conv-112",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="Number of samples to evaluate.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the latents and of KID.")] = 0,
    dataset: Annotated[
        str | None,
        typer.Option(help="Dataset to compare with.", show_default="the training data of the run"),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="Classes of --dataset to compare with; repeat or use commas."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Split of tensorflow-datasets.", show_default="as in training"),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Directory of tensorflow-datasets, local or gs://…."),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(help="Resize images of directories to this edge.", show_default="no resizing"),
    ] = None,
    checkpoint: Checkpoint = runs.NEWEST,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Directory for classifiers and features of real images.",
            show_default="$TFGAN2_CACHE or ~/.cache/tfgan2",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Directory for the result: JSON, a page and images.",
            show_default="a new one in RUN/evaluation, or in evaluation here",
        ),
    ] = None,
) -> None:
    """Compare generated images with real ones: FID, KID, IS, precision, recall and more."""
    from tfgan2.evaluation import EvaluationRequest, evaluate_source
    from tfgan2.evaluation.request import default_result_dir
    from tfgan2.evaluation.result import check_result_dir

    request = EvaluationRequest(
        metrics=_words(metrics),
        features=features,
        count=count,
        seed=seed,
        checkpoint=checkpoint,
        real_dir=real,
        dataset=dataset,
        classes=_words(classes),
        split=split,
        data_dir=data_dir,
        image_size=image_size,
        cache_dir=cache,
    )
    if out is not None:
        out = out.absolute()
        check_result_dir(out)
    local_out(source, out)
    path = local_copy(source)
    request.check(path)
    from tfgan2 import startup
    from tfgan2.training.progress import Display

    display = Display()
    display.say("loading TensorFlow")
    startup.load()
    from tfgan2.training.building import make_deterministic

    make_deterministic()
    try:
        evaluation = evaluate_source(path, request, progress=display.loading)
    finally:
        display.close()
    if out is None:
        out = default_result_dir(path, evaluation)
    try:
        evaluation.write(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    _show(evaluation)
    print(f"{out / 'index.html'}: figures, images and protocol {evaluation.protocol_id}")


def _words(values: list[str] | None) -> list[str] | None:
    """Splits repeated options at commas."""
    words = [word.strip() for value in values or [] for word in value.split(",")]
    return [word for word in words if word] or None


def _show(evaluation: Evaluation) -> None:
    from tfgan2.evaluation import FIGURES

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)  # a pipe has no width
    table = Table()
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("meaning")
    for name, value in evaluation.figures.items():
        figure = FIGURES[name]
        table.add_row(figure.title, figure.text(value), figure.meaning)
    console.print(table)
