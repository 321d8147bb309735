"""`tfgan2 sample`: generates images with the generator of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfgan2 import images, runs
from tfgan2.api.sampling import SampleRequest
from tfgan2.cli.options import Checkpoint, Label, Latents, Text, given, quoted, with_declared
from tfgan2.errors import UserError
from tfgan2.inputs.latents import read_latents

if TYPE_CHECKING:
    from tfgan2 import api


@with_declared(SampleRequest)
def sample(
    location: Annotated[
        str, typer.Argument(metavar="RUN", help="The run directory; may be gs://….")
    ],
    label: Label = None,
    text: Text = None,
    latents: Latents = None,
    checkpoint: Checkpoint = runs.NEWEST,
    out: Annotated[
        Path | None,
        typer.Option(
            help=".png: a grid; .gif; .npz: arrays; else a folder of PNG files.",
            show_default="samples.png",
        ),
    ] = None,
    columns: Annotated[
        int | None,
        typer.Option(min=1, help="Columns of the grid; default one per class, else a square grid."),
    ] = None,
    timelapse: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.gif",
            help="Write the sample grids of the training as an animation; generates nothing.",
        ),
    ] = None,
    **options: Any,
) -> None:
    """Generate images with the generator of a run."""
    from tfgan2 import api

    if timelapse is not None:
        sampled = label or text or latents or columns or out or checkpoint != runs.NEWEST
        if sampled or given(options):
            raise UserError("--timelapse shows what training drew: leave other options out")
        _save_timelapse(api.open_run(location), timelapse)
        return

    out = out or Path("samples.png")
    suffix = out.suffix.lower()
    images.check_output(out, columns=columns)
    if suffix == ".gif" and options["interpolate"]:
        options["frames"] = options["frames"] or 24
    chosen = given(options)
    SampleRequest(**chosen).check()  # before the run is read
    run = api.open_run(location)
    shape = run.config.dataset.get("image_shape")
    images.check_output(out, shape)
    if not run.takes_latents:
        raise UserError(
            f"{run.config.flavour} takes images, not latents: use "
            f"`tfgan2 translate {quoted(location)} --input IMAGES --out FOLDER`"
        )
    samples = run.draw(
        label=label or (),
        text=text or (),
        latents=None if latents is None else read_latents(latents),
        checkpoint=checkpoint,
        last_frame=suffix != ".png" or columns is not None,  # in a grid it would be alone in a row
        **chosen,
    )
    images.save_samples(
        out,
        samples.images,
        latents=samples.latents,
        labels=samples.labels,
        columns=columns or samples.columns,
    )
    views = _save_views(out, samples, run.config) if suffix == ".png" else []
    origin = f"seed {options['seed'] or 0}" if latents is None else f"latents of {latents}"
    noun = "point" if shape is not None and images.is_points(shape) else "image"
    plural = "" if len(samples.images) == 1 else "s"
    made = f"{len(samples.images)} {noun}{plural} of {run.config.flavour}"
    print(f"{out}: {made} at step {samples.step}, {origin}")
    for path in views:
        print(f"{path}: {path.stem.removeprefix(out.stem + '-')}")


def _save_timelapse(run: api.Run, out: Path) -> None:
    from tfgan2.images.timelapse import MOST_FRAMES

    grids = run.timelapse(out)
    count = min(len(grids), MOST_FRAMES)
    print(f"{out}: {count} of {len(grids)} sample grids, to step {int(grids[-1].stem[5:]):,}")


def _save_views(out: Path, samples: api.Samples, config: runs.RunConfig) -> list[Path]:
    """Writes what else the flavour shows, such as reconstructions; returns the files."""
    from tfgan2.data import form_of, load_dataset, missing_place  # slow to import

    reals = None
    if samples.model.views_need_reals:  # those that the sample grids of training show
        count, seed = config.training.sample_count, config.training.seed
        try:
            if place := missing_place(config.data):
                raise UserError(
                    f"the data of the run are no longer at {place!r}: name their new place with "
                    f"`tfgan2 fit --resume RUN --dataset {form_of(config.data.name)}`"
                )
            dataset = load_dataset(**vars(replace(config.data, skip_unreadable=True)))
            reals = (dataset.held_out or dataset).some(count, seed=seed)[0]
        except UserError as error:
            print(f"no reconstructions: {error.args[0]}")
    paths = []
    for name, view in samples.model.views(reals).items():
        paths.append(out.with_name(f"{out.stem}-{name}.png"))
        images.save_grid(paths[-1], view.images, columns=view.columns)
    return paths
