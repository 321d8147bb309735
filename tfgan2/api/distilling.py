"""Trains a small student of a trained run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfgan2 import remote, runs, startup
from tfgan2.api.run import Run, fit
from tfgan2.distillation.budget import Budget
from tfgan2.errors import UserError
from tfgan2.options import OUTPUT, Options, TrainingOptions, option, parse_size, show_options
from tfgan2.training.compiled import folder_of_process

FLAVOUR = "student"


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
        "Images that the teacher draws.",
        at_least=2,
        panel="Student",
        shown="50,000, or what fits 1 GiB",
    )
    checkpoint: str = option(
        runs.NEWEST, "Checkpoint of the teacher: newest, best or a step.", panel="Student"
    )
    taught: str | None = option(
        None,
        "File for the images that the teacher draws; it is used again if it exists.",
        panel=OUTPUT,
        shown="one in the teacher's run",
        metavar="FILE.npz",
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

    The teacher draws images, which are kept in a file, and the widest student within the budget is
    trained on them. Its run is like any other: it resumes, samples, is evaluated and exported.

    Args:
        teacher: a run, local or remote, of a flavour that takes latents, and perhaps labels.
        hyperparameters: of the student; `tfgan2 info student` lists them. With both
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
    budget = None
    if wanted.budget or not {"base_channels", "max_channels"} <= values.keys():
        budget = Budget.parse(wanted.budget)
    size = None if wanted.size is None else parse_size(wanted.size)
    if wanted.taught is None and remote.is_remote(teacher):
        raise UserError(f"{teacher} is remote: give a file for its images", ", as --taught")
    run = Run(teacher)
    file = Path(wanted.taught or _default_file(run, wanted)).absolute()
    # Before the teacher begins to draw: what `fit` would refuse.
    runs.RunConfig.create(FLAVOUR, f"taught:{file}", values, **options)
    if out is not None and not remote.is_remote(out):
        runs.check_new(Path(out))
    out = out or runs.propose(Path("runs"), FLAVOUR, str(teacher))
    _teach(run, file, wanted, size, quiet)
    if budget is not None:
        values |= _within(budget, file, quiet)
    return fit(FLAVOUR, f"taught:{file}", hyperparameters=values, out=out, quiet=quiet, **options)


show_options(distill, DistillOptions, TrainingOptions)


def _default_file(run: Run, wanted: DistillOptions) -> Path:
    from tfgan2.training import checkpoints

    run.config  # noqa: B018 - reading it checks the directory
    step = checkpoints.choose(run.directory, wanted.checkpoint).step
    parts = [f"step-{step:07d}", *filter(None, [wanted.size]), str(wanted.images or "default")]
    return run.directory / "taught" / f"{'-'.join(parts)}.npz"


def _teach(
    run: Run, file: Path, wanted: DistillOptions, size: tuple[int, int] | None, quiet: bool
) -> None:
    from tfgan2.training.progress import Display

    display = Display(quiet=quiet)
    if file.exists():
        _check_drawn(run, file, wanted, size)
        display.say(f"images of the teacher: {file}, drawn before")
        return
    display.say("loading TensorFlow")
    startup.load(folder_of_process())
    from tfgan2.distillation.teaching import taught_by

    with contextlib.closing(display):
        taught = taught_by(
            run.directory,
            checkpoint=wanted.checkpoint,
            count=wanted.images,
            size=size,
            progress=display.loading,
        )
    taught.write(file)
    display.say(f"images of the teacher: {file}, {len(taught.images):,}")


def _check_drawn(
    run: Run, file: Path, wanted: DistillOptions, size: tuple[int, int] | None
) -> None:
    """Raises a UserError unless a file holds what the teacher would draw now."""
    from tfgan2.data.taught import Taught
    from tfgan2.training import checkpoints

    taught, config = Taught.read(file), run.config
    now: dict[str, Any] = {
        "flavour": config.flavour,
        "dataset": config.source,
        "step": checkpoints.choose(run.directory, wanted.checkpoint).step,
        "images": wanted.images or len(taught.images),
        "size": size or tuple(config.hyperparameters["image_shape"][:2]),
    }
    found = {**taught.teacher, "images": len(taught.images), "size": taught.images.shape[1:3]}
    for name, value in now.items():
        if found.get(name) != value:
            raise UserError(
                f"{file} was drawn for another student: its {name} is {found.get(name)}, not "
                f"{value}",
                ": give another --taught, or remove it",
            )


def _within(budget: Budget, file: Path, quiet: bool) -> dict[str, int]:
    from tfgan2.data.taught import Taught
    from tfgan2.distillation.budget import widest
    from tfgan2.training.progress import Display

    display = Display(quiet=quiet)
    taught = Taught.read(file)
    startup.load(folder_of_process())
    display.say("finding the widest student within the budget")
    values, _ = widest(budget, taught, display.say)
    return values
