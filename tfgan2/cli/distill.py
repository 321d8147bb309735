"""`tfgan2 distill`: trains a small generator that imitates a trained one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tfgan2 import registry
from tfgan2.api.distilling import DistillOptions
from tfgan2.cli.fit import report_interruption, show_next_commands
from tfgan2.cli.options import given, with_declared
from tfgan2.options import OUTPUT, Options, TrainingOptions, option


@dataclass
class CommandOptions(Options):
    """Options of the command besides those of the API."""

    settings: list[str] | None = option(  # noqa: RUF009
        None,
        "A hyperparameter of student, for pairs of pix2pix; `tfgan2 info` lists them. Repeatable.",
        flag="--set",
        metavar="KEY=VALUE",
    )
    out: str | None = option(
        None,
        "The student's run directory; default runs/00000-student-RUN.",
        panel=OUTPUT,
        metavar="DIR",
    )


@with_declared(CommandOptions, DistillOptions, TrainingOptions)
def distill(
    teacher: Annotated[
        str, typer.Argument(metavar="RUN", help="The run of the teacher, local or gs://….")
    ],
    **options: Any,
) -> None:
    """Train a small generator that imitates a trained one, within a budget."""
    from tfgan2 import api
    from tfgan2.distillation.lessons import lesson_of

    settings = options.pop("settings") or []  # their commas are no separators
    hyperparameters = {}
    if settings:
        flavour = lesson_of(api.open_run(teacher).config.flavour).flavour
        hyperparameters = registry.parse_settings(flavour, settings)
    chosen = given(options)
    with report_interruption():
        run = api.distill(teacher, hyperparameters=hyperparameters, **chosen)
    is_for_int8 = "budget" in chosen or chosen.get("quantize") == "int8"
    show_next_commands(run, is_for_int8=is_for_int8)
