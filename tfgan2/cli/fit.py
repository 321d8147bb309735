"""`tfgan2 fit`: trains a flavour, or resumes a run."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfgan2 import registry, remote
from tfgan2.cli.options import given, quoted, with_declared
from tfgan2.distributed.cluster import find_cluster
from tfgan2.errors import TrainingInterrupted, UserError
from tfgan2.options import DATA, OUTPUT, DataOptions, Options, TrainingOptions, option

if TYPE_CHECKING:
    from tfgan2 import api


@dataclass
class CommandOptions(Options):
    """Options of the command besides those of a run."""

    dataset: str | None = option(
        None,
        "A name, folder:PATH, prepared:FILE, pairs:DIR, unpaired:DIR_A,DIR_B or "
        "captions:FILE; `tfgan2 datasets` lists names.",
        panel=DATA,
    )
    settings: list[str] | None = option(  # noqa: RUF009
        None,
        "A hyperparameter; `tfgan2 info FLAVOUR` lists them. Repeatable.",
        flag="--set",
        metavar="KEY=VALUE",
    )
    epochs: float | None = option(None, "Passes over the data, in place of --steps.")
    out: str | None = option(
        None,
        "The run directory; may be gs://…; default runs/00000-FLAVOUR-DATASET.",
        panel=OUTPUT,
        metavar="DIR",
    )
    resume: str | None = option(
        None,
        "Resume this run; --steps or --epochs may extend it, --dataset or --data-dir name the new "
        "place of data that have moved.",
        panel=OUTPUT,
        metavar="RUN",
    )
    dry_run: bool = option(
        False, "Show the configuration, the networks and a batch; train nothing.", panel=""
    )


@with_declared(CommandOptions, DataOptions, TrainingOptions)
def fit(
    flavour: Annotated[
        str | None,
        typer.Argument(
            help="What to train; `tfgan2 models` lists the flavours.", show_default=False
        ),
    ] = None,
    **options: Any,
) -> None:
    """Train a flavour on a dataset, or resume a run."""
    from tfgan2 import api

    settings = options.pop("settings") or []  # their commas are no separators
    chosen = given(options)
    resume, dry_run = chosen.pop("resume", None), "dry_run" in chosen
    with report_interruption():
        if resume is not None:
            possible = inspect.signature(api.Run.resume).parameters
            kept = {name: chosen.pop(name) for name in chosen.keys() & possible.keys()}
            if chosen or flavour or settings:
                raise UserError(
                    "--resume takes all options from the run: give only --steps or --epochs, "
                    "--strategy, --accumulate, and --dataset or --data-dir if the data have moved"
                )
            run = api.Run(resume).resume(**kept)
        else:
            if flavour is None:
                raise UserError("flavour is missing: try `tfgan2 fit dcgan --dataset digits`")
            registry.find(flavour)
            if "dataset" not in chosen:
                raise UserError(
                    "dataset is missing: give --dataset digits or another that `tfgan2 datasets` "
                    "lists"
                )
            hyperparameters = registry.parse_settings(flavour, settings)
            run = api.fit(flavour, hyperparameters=hyperparameters, **chosen)
    if not dry_run:
        show_next_commands(run)


@contextlib.contextmanager
def report_interruption() -> Iterator[None]:
    """Says how to resume a training that a signal stops in the block, and exits."""
    try:
        yield
    except TrainingInterrupted as error:
        _say(f"{error}; resume with:\n  tfgan2 fit --resume {quoted(error.location)}")
        raise typer.Exit(128 + error.signal) from None


def _say(text: str) -> None:
    from tfgan2.training.progress import Display

    Display().say(text)  # goes on in silence if nobody reads stdout any more


def show_next_commands(run: api.Run, *, is_for_int8: bool = False) -> None:
    """Says what to do with a finished run; of several workers, only the chief does."""
    cluster = find_cluster("auto")
    if cluster is not None and cluster.index > 0:
        return
    location = quoted(run.location)
    use = f"tfgan2 sample {location} --count 64 --out grid.png"
    if not run.takes_latents:
        use = f"tfgan2 translate {location} --input IMAGES --out translated --compare"
    out = " --out export" if remote.is_remote(run.location) else ""
    export = f"tfgan2 export {location}"
    if is_for_int8:
        export = f"tfgan2 export {location} --format tflite --precision int8"
    _say(f"next:\n  {use}\n  {export}{out}")
