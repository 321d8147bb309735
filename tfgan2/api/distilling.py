"""Trains a small student of a trained run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfgan2 import remote, runs
from tfgan2.api.run import Run, fit
from tfgan2.distillation.budget import Budget
from tfgan2.distillation.lessons import lesson_of
from tfgan2.errors import UserError
from tfgan2.options import OUTPUT, Options, TrainingOptions, option, parse_size, show_options


@dataclass
class DistillOptions(Options):
    """What a student learns, and how large it may be."""

    budget: list[str] = option(  # noqa: RUF009
        (),
        "Largest size of the int8 file, time for an image on one thread here, or operations, such "
        "as 300KB, 3ms or 20MFLOP; several with commas.",
        panel="Student",
        metavar="300KB|3ms|20MFLOP",
    )
    size: str | None = option(
        None,
        "Size of the student's images: the edge of a square, or a height and a width.",
        panel="Student",
        shown="the teacher's",
        metavar="N|HxW",
    )
    images: int | None = option(
        None,
        "Images that the teacher makes.",
        at_least=2,
        panel="Student",
        shown="50,000, or what fits 1 GiB; pairs: 2,000 or all, if more",
    )
    checkpoint: str = option(
        runs.NEWEST, "Checkpoint of the teacher: newest, best or a step.", panel="Student"
    )
    taught: str | None = option(
        None,
        "File for the images that the teacher makes, for pairs a folder; it is used again if it "
        "exists.",
        panel=OUTPUT,
        shown="one in the teacher's run",
        metavar="FILE.npz|DIR",
    )
    quantize: str = option(
        "none",
        "int8: train the last fifth of the steps with the rounding errors of an int8 file.",
        choices=("none", "int8"),
        panel="Student",
    )


def distill(
    teacher: str | Path,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Trains a small generator that imitates a trained one, and returns its run.

    The teacher makes images, which are kept, and the widest student within the budget is trained on
    them. Its run is like any other: it resumes, samples, is evaluated and exported. The student of
    a flavour that takes latents is a `student`, that of a flavour for pairs a `pix2pix` with
    `network=mobile`.

    Args:
        teacher: a run, local or remote, of a flavour that takes latents, and perhaps labels, or
            that learns from pairs, as `pix2pix` does.
        hyperparameters: of the student; `tfgan2 info student` or `pix2pix` lists them. With both
            `base_channels` and `max_channels` no budget is needed.
        out: the student's run directory; default: runs/00000-student-TEACHER.
        quiet: show nothing.
        **options: the options of `tfgan2 distill`, which `tfgan2 distill --help` explains, with
            underscores.

    Raises:
        UserError: an option or the teacher is at fault, or no student keeps to the budget.
        TrainingInterrupted, TrainingDivergedError: as for `fit`.
    """
    own = {item.name for item in DistillOptions.declared()}
    wanted = DistillOptions(**{name: options.pop(name) for name in own & options.keys()})
    wanted.check()
    values = dict(hyperparameters or {})
    chosen = {"base_channels", "max_channels"} & values.keys()
    if len(chosen) == 1 or (wanted.budget and chosen):
        raise UserError("a budget chooses base_channels and max_channels: give it, or both of them")
    budget = None if chosen else Budget.parse(wanted.budget)
    if wanted.quantize != "none":
        values["quantize"] = wanted.quantize
    size = None if wanted.size is None else parse_size(wanted.size)
    if wanted.taught is None and remote.is_remote(teacher):
        raise UserError(f"{teacher} is remote: give a file for its images", ", as --taught")
    run = Run(teacher)
    lesson = lesson_of(run.config.flavour)(
        run.directory, wanted.checkpoint, wanted.images, size, wanted.taught, quiet=quiet
    )
    values = {**lesson.hyperparameters, **values}
    if lesson.image_size:
        options["image_size"] = lesson.image_size
    # Before the teacher begins to draw: what `fit` would refuse.
    runs.RunConfig.create(lesson.flavour, lesson.dataset, values, **options)
    if budget is not None and (network := values.get("network", "mobile")) != "mobile":
        raise UserError(
            f"a budget is for network=mobile, not {network}: give base_channels and max_channels"
        )
    if out is not None and not remote.is_remote(out):
        runs.check_new(Path(out))
    out = out or runs.propose(Path("runs"), "student", str(teacher))
    lesson.check_made()
    if budget is not None:
        values |= lesson.widest(budget)
    lesson.prepare()
    flavour, dataset = lesson.flavour, lesson.dataset
    return fit(flavour, dataset, hyperparameters=values, out=out, quiet=quiet, **options)


show_options(distill, DistillOptions, TrainingOptions)
