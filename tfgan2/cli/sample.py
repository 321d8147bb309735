"""tfgan2 sample"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from tfgan2 import images, runs
from tfgan2.cli.options import Checkpoint, Label, Latents, Text
from tfgan2.cli.places import run_folder
from tfgan2.errors import UserError, cannot_write
from tfgan2.inputs.labels import choose_labels, label_columns
from tfgan2.inputs.latents import read_latents, walk
from tfgan2.inputs.words import in_turn

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel


def sample(
    place: Annotated[str, typer.Argument(metavar="RUN", help="The run directory, or gs://….")],
    count: Annotated[
        int | None,
        typer.Option(
            help="Images; with --interpolate: stations. Default 64 or so, points 2500, stations 8."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same images.")] = 0,
    label: Label = None,
    text: Text = None,
    latents: Latents = None,
    checkpoint: Checkpoint = runs.NEWEST,
    out: Annotated[
        Path, typer.Option(help=".png: a grid; .gif; .npz: arrays; else a folder of PNGs.")
    ] = Path("samples.png"),
    columns: Annotated[
        int | None, typer.Option(help="Of the grid; default: one per class, or square.")
    ] = None,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Walk from latents to latents along arcs.")
    ] = False,
    frames: Annotated[
        int | None,
        typer.Option(help="Images per leg of the walk. Default 10; in a .gif 24."),
    ] = None,
) -> None:
    """Make images with the generator of a run."""
    frames = frames if frames is not None else 24 if out.suffix.lower() == ".gif" else 10
    if latents is not None and count is not None:
        raise UserError("give either --count or --latents: the file says how many")
    if count is not None and count < (2 if interpolate else 1):
        raise UserError(f"--count must be at least {2 if interpolate else 1}")
    if frames < 2 or (columns is not None and columns < 1):
        raise UserError("--frames must be at least 2" if frames < 2 else "--columns is below 1")
    if seed < 0:
        raise UserError("--seed must not be negative")
    images.check_output(out)
    given = None if latents is None else read_latents(latents)
    if interpolate and given is not None and len(given) < 2:
        raise UserError(f"{latents} holds one latent: a walk needs at least 2")
    run = run_folder(place)
    config = runs.RunConfig.read(run)  # a wrong folder is told before TensorFlow is loaded
    shape = config.dataset.get("image_shape")
    images.check_output(out, shape)
    points = shape is not None and images.is_points(shape)

    from tfgan2.cli import tensorflow

    tensorflow.load()
    model, about = runs.load_model(run, checkpoint)
    if not hasattr(model, "draw_latents"):
        raise UserError(
            f"{about['flavour']} makes images of images: `tfgan2 translate {place} --input "
            "PICTURES --out FOLDER`"
        )
    captions = getattr(model, "captions", ())
    if text and not captions:
        raise UserError(f"{about['flavour']} takes no texts: leave --text out")
    if count is None:
        count = 8 if interpolate else model.preview_count()
    names = about["class_names"]
    if given is None:
        given = model.draw_latents(count, seed=seed)
    if interpolate:
        given = walk(given, frames)
        if out.suffix.lower() == ".png" and columns is None:
            # One leg a row; the last station has no row of its own to end.
            given, columns = given[:-1], frames
        # A walk keeps to one class: a step from class to class is none.
        label, text = label or names[:1], text or list(captions[:1])
        if len(label) > 1 or len(text) > 1:
            raise UserError("--interpolate takes one --label or --text")
    labels = choose_labels(len(given), label, names)
    if columns is None:
        columns = label_columns(len(text or captions) or len(label or names))
    if captions:
        made = model.generate(given, in_turn(text or captions, len(given)))
    else:
        made = model.generate(given, labels)
    try:
        images.save_samples(out, made, latents=given, labels=labels, columns=columns)
        beside = _save_views(out, model, config) if out.suffix.lower() == ".png" else []
    except OSError as error:
        raise cannot_write(out, error) from error
    origin = f"seed {seed}" if latents is None else f"latents of {latents}"
    what = "points" if points else "images"
    print(f"{out}: {len(made)} {what} of {about['flavour']} at step {about['step']}, {origin}")
    for path in beside:
        print(f"{path}: {path.stem.removeprefix(out.stem + '-')}")


def _save_views(out: Path, model: GenerativeModel, config: runs.RunConfig) -> list[Path]:
    """Writes what else the flavour shows beside the samples; returns the files."""
    reals = _reals(config) if model.views_need_reals else None
    paths = []
    for name, view in model.views(reals).items():
        paths.append(out.with_name(f"{out.stem}-{name}.png"))
        images.save_grid(paths[-1], view.images, columns=view.columns)
    return paths


def _reals(config: runs.RunConfig) -> np.ndarray | None:
    """Some of the run's real images, as training shows them; None where they are gone."""
    try:
        dataset = config.data.load()
    except UserError as error:
        print(f"no reconstructions: {error}")
        return None
    return (dataset.held_out or dataset).some(
        config.training.sample_count, seed=config.training.seed
    )[0]
