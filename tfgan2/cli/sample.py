"""tfgan2 sample"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfgan2.errors import UserError, cannot_write


def sample(
    run: Annotated[Path, typer.Argument(help="The run directory.")],
    count: Annotated[
        int | None,
        typer.Option(help="Images; with --interpolate: stations. Default 64, and 8."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same images.")] = 0,
    out: Annotated[
        Path, typer.Option(help=".png: a grid; .gif; .npz: arrays; else a folder of PNGs.")
    ] = Path("samples.png"),
    columns: Annotated[int | None, typer.Option(help="Of the grid; default: square.")] = None,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Walk from latents to latents along arcs.")
    ] = False,
    frames: Annotated[
        int | None,
        typer.Option(help="Images per leg of the walk. Default 10; in a .gif 24."),
    ] = None,
) -> None:
    """Make images from a run's newest checkpoint."""
    from tfgan2 import images, runs
    from tfgan2.latents import walk

    count = count if count is not None else 8 if interpolate else 64
    frames = frames if frames is not None else 24 if out.suffix.lower() == ".gif" else 10
    if count < (2 if interpolate else 1):
        raise UserError(f"--count must be at least {2 if interpolate else 1}")
    if frames < 2 or (columns is not None and columns < 1):
        raise UserError("--frames must be at least 2" if frames < 2 else "--columns is below 1")
    if seed < 0:
        raise UserError("--seed must not be negative")
    images.check_output(out)
    runs.RunConfig.read(run)  # a wrong folder is told before TensorFlow is loaded

    from tfgan2.cli import tensorflow

    tensorflow.load()
    model, about = runs.load_model(run)
    latents = model.draw_latents(count, seed=seed)
    if interpolate:
        latents = walk(latents, frames)
        if out.suffix.lower() == ".png" and columns is None:
            # One leg a row; the last station has no row of its own to end.
            latents, columns = latents[:-1], frames
    made = model.generate(latents)
    try:
        images.save_samples(out, made, latents=latents, columns=columns)
    except OSError as error:
        raise cannot_write(out, error) from error
    print(f"{out}: {len(made)} images of {about['flavour']} at step {about['step']}, seed {seed}")
