"""tfgan2 fit"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfgan2 import registry, remote
from tfgan2.cli.options import given, with_declared
from tfgan2.errors import TrainingInterrupted, UserError
from tfgan2.options import DATA, OUTPUT, TRAINING, DataOptions, TrainingOptions

if TYPE_CHECKING:
    from tfgan2 import api


def _shown(panel: str, help: str, *flags: str, metavar: str | None = None) -> Any:
    """An option whose default, if there is one, stands in its help."""
    return typer.Option(
        *flags, help=help, rich_help_panel=panel, metavar=metavar, show_default=False
    )


@with_declared(DataOptions, TrainingOptions)
def fit(
    flavour: Annotated[
        str | None,
        typer.Argument(
            help="What to train; `tfgan2 models` lists the flavours.", show_default=False
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        _shown(
            DATA,
            "A name, folder:PATH, prepared:FILE, pairs:DIR, unpaired:DIR_A,DIR_B or "
            "captions:FILE.jsonl; `tfgan2 datasets` lists names.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        _shown(
            TRAINING,
            "A hyperparameter; `tfgan2 info FLAVOUR` lists them. Repeatable.",
            "--set",
            metavar="KEY=VALUE",
        ),
    ] = None,
    epochs: Annotated[
        float | None, _shown(TRAINING, "Passes over the data, in place of --steps.")
    ] = None,
    out: Annotated[
        str | None,
        _shown(
            OUTPUT,
            "The run directory; may be gs://…; default runs/00000-FLAVOUR-DATASET.",
            metavar="DIR",
        ),
    ] = None,
    resume: Annotated[
        str | None,
        _shown(OUTPUT, "Resume this run; --steps or --epochs may extend it.", metavar="RUN"),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show the configuration, the networks and a batch; train nothing."
        ),
    ] = False,
    **options: Any,
) -> None:
    """Train a flavour on a dataset, or resume a run."""
    from tfgan2 import api

    chosen = given(options)
    try:
        if resume is not None:
            kept = {name: chosen.pop(name, None) for name in ("steps", "strategy")}
            if chosen or any((flavour, dataset, settings, out)):
                raise UserError(
                    "--resume takes all options from the run: give only --steps or --epochs, and "
                    "--strategy"
                )
            run = api.Run(resume).resume(epochs=epochs, dry_run=dry_run, **kept)
        else:
            if flavour is None:
                raise UserError("flavour is missing: try `tfgan2 fit dcgan --dataset digits`")
            registry.find(flavour)
            if dataset is None:
                raise UserError(
                    "dataset is missing: give --dataset digits or another that `tfgan2 datasets` "
                    "lists"
                )
            run = api.fit(
                flavour,
                dataset,
                hyperparameters=registry.parse_settings(flavour, settings or []),
                epochs=epochs,
                out=out,
                dry_run=dry_run,
                **chosen,
            )
    except TrainingInterrupted as error:
        _say(f"{error}; resume with:\n  tfgan2 fit --resume {shlex.quote(error.location)}")
        raise typer.Exit(128 + error.signal) from None
    if not dry_run:
        _show_next_commands(run)


def _say(text: str) -> None:
    from tfgan2.training.progress import Display

    Display().say(text)  # goes on in silence if nobody reads stdout any more


def _show_next_commands(run: api.Run) -> None:
    location = shlex.quote(run.location)
    use = f"sample {location} --count 64 --out grid.png"
    if not run.takes_latents:
        use = f"translate {location} --input IMAGES --out translated --compare"
    out = " --out export" if remote.is_remote(run.location) else ""
    _say(f"next:\n  tfgan2 {use}\n  tfgan2 export {location}{out}")
