"""tfgan2 fit"""

from __future__ import annotations

import inspect
import shlex
from dataclasses import Field
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from tfgan2 import registry, remote
from tfgan2.cli.options import split_at_commas
from tfgan2.errors import TrainingInterrupted, UserError
from tfgan2.options import DATA, OUTPUT, TRAINING, DataOptions, TrainingOptions

if TYPE_CHECKING:
    from tfgan2 import api


def _shown(panel: str, help: str, *flags: str, metavar: str | None = None) -> Any:
    """An option whose default, if there is one, stands in its help."""
    return typer.Option(
        *flags, help=help, rich_help_panel=panel, metavar=metavar, show_default=False
    )


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

    chosen = {name: _plain(value) for name, value in options.items() if value not in (None, [], ())}
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


def _plain(value: Any) -> Any:
    """The value of an option as the API takes it."""
    if isinstance(value, list):
        return split_at_commas(value)
    return value.value if isinstance(value, Enum) else value


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


def _option(item: Field[Any], kind: Any) -> Any:
    """The annotation of a declared option; None stands for an option that was not given."""
    metadata, default = item.metadata, item.default
    if metadata["choices"]:
        choices = [(choice, choice) for choice in metadata["choices"]]
        kind = Enum(item.name, choices, type=str)  # type: ignore[misc, no-redef]
    no_default = default is None or isinstance(default, bool)  # the flag says it
    shown = metadata["shown"] or ("" if no_default else str(default))
    option = _shown(
        metadata["panel"],
        metadata["help"].removesuffix(".") + (f"; default {shown}." if shown else "."),
        *filter(None, [metadata["flag"]]),
        metavar=metadata["metavar"],
    )
    return Annotated[kind | None, option]


def _complete_signature() -> None:
    """Replaces `**options` by the declared options."""
    signature = inspect.signature(fit, eval_str=True)
    *parameters, _ = signature.parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    for declared in (DataOptions, TrainingOptions):
        types = get_type_hints(declared)
        for item in declared.declared():
            annotation = _option(item, types[item.name])
            parameters.append(
                inspect.Parameter(item.name, keyword, default=None, annotation=annotation)
            )
    fit.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]


_complete_signature()
