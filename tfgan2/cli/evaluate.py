"""`tfgan2 evaluate`: how good the images of a run, a file or a folder are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from tfgan2 import runs
from tfgan2.cli.options import Checkpoint
from tfgan2.cli.places import check_local_out, run_folder
from tfgan2.errors import cannot_write
from tfgan2.evaluation.question import Question
from tfgan2.evaluation.report import check_place

if TYPE_CHECKING:
    from tfgan2.evaluation import Evaluation


def evaluate(
    place: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A run (gs://… works, too), a .onnx or .tflite file of `tfgan2 export`, or a "
            "folder of pictures.",
            show_default=False,
        ),
    ],
    real: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of real pictures to judge by.", show_default="the data of the run"
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="fid, kid, is, prdc, classes, modes, pairs, neighbours; repeat it or use commas.",
            show_default="all that the data allow",
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="classifier, inception, inception-tf:FILE, pixels or random-conv-112.",
            show_default="classifier where there are labels, else random-conv-112",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="Samples that are judged.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the latents, and of KID's subsets.")] = 0,
    dataset: Annotated[
        str | None, typer.Option(help="To judge by.", show_default="the data of the run")
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="Only these classes of --dataset; repeat it or use commas."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Of tensorflow-datasets.", show_default="as of the training")
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where tensorflow-datasets keeps its data, or gs://…."),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Of folders: resize to this.", show_default="as they are")
    ] = None,
    checkpoint: Checkpoint = runs.NEWEST,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="For classifiers, and what is known of real images.",
            show_default="$TFGAN2_CACHE or ~/.cache/tfgan2",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for JSON, page and pictures.",
            show_default="a new one in RUN/evaluation, or in evaluation here",
        ),
    ] = None,
) -> None:
    """Judge generated images by real ones: FID, KID, IS, precision, recall and more."""
    from tfgan2.evaluation import check_features, check_metrics

    names = [name.strip() for item in metrics or [] for name in item.split(",") if name.strip()]
    chosen = check_metrics(names) if names else None
    if features is not None:
        check_features(features)
    if out is not None:
        out = out.absolute()
        check_place(out)
    only = [name.strip() for item in classes or [] for name in item.split(",")] or None
    check_local_out(place, out)
    source = run_folder(place)
    question = Question(source, real, dataset, only, split, data_dir, image_size, seed, checkpoint)
    question.check()
    from tfgan2 import startup
    from tfgan2.training.progress import Display

    display = Display()
    display.say("loading TensorFlow")
    startup.load()
    from tfgan2.training.building import make_deterministic

    make_deterministic()
    from tfgan2.evaluation import evaluate as judge
    from tfgan2.evaluation import extractor_for, write
    from tfgan2.evaluation.references import Cache, cache_folder

    folder = cache or cache_folder()
    try:
        fakes, reals = question.load(display.loading)
        extractor = extractor_for(features, reals.whole, cache=folder, progress=display.loading)
        display.loaded()
        found = judge(
            fakes,
            reals,
            extractor,
            metrics=chosen,
            count=count,
            seed=seed,
            references=Cache(folder),
            progress=display.loading,
        )
    finally:
        display.loaded()
    if out is None:
        out = question.place(found)
    try:
        write(out, found.to_json(), found.pictures)
    except OSError as error:
        raise cannot_write(out, error) from error
    _show(found)
    print(f"{out / 'index.html'}: figures, pictures and the protocol, {found.protocol_id}")


def _show(found: Evaluation) -> None:
    from tfgan2.evaluation import FIGURES

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)  # a pipe has no width
    table = Table()
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("what it says")
    for name, value in found.figures.items():
        figure = FIGURES[name]
        table.add_row(figure.title, figure.text(value), figure.meaning)
    console.print(table)
