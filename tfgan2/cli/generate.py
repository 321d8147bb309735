"""`tfgan2 generate`: images from an exported file, without TensorFlow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from tfgan2 import runtime
from tfgan2.errors import UserError, cannot_write
from tfgan2.images import check_output, save_samples

DEFAULT_COUNT = 16


def generate(
    file: Annotated[Path, typer.Argument(help="A .onnx or .tflite file of `tfgan2 export`.")],
    count: Annotated[
        int | None, typer.Option(help="How many images.", show_default=str(DEFAULT_COUNT))
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the latents; as in `tfgan2 sample`.")] = 0,
    out: Annotated[Path, typer.Option(help="A .png grid, .gif, .npz, or a folder of PNGs.")] = Path(
        "generated.png"
    ),
    label: Annotated[
        list[str] | None,
        typer.Option(help="A class by name or number; repeat it to cycle through several."),
    ] = None,
    latents: Annotated[
        Path | None,
        typer.Option(help="A .npy of shape (count, latent_dim), in place of count and seed."),
    ] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Of the grid.")] = None,
) -> None:
    """Make images with an exported file; imports no TensorFlow."""
    check_output(out)
    if latents is not None and count is not None:
        raise UserError("give either --count or --latents: the file says how many")
    generator = runtime.load(file)
    if latents is None:
        start = time.perf_counter()
        images, drawn, labels = generator.generate(
            DEFAULT_COUNT if count is None else count, seed=seed, label=label
        )
    else:
        drawn = _read_latents(latents)
        labels = generator.labels(len(drawn), label)
        start = time.perf_counter()
        images = generator(drawn, labels)
    milliseconds = (time.perf_counter() - start) * 1000 / len(images)
    try:
        save_samples(out, images, latents=drawn, labels=labels, columns=columns)
    except OSError as error:
        raise cannot_write(out, error) from error
    noun = "image" if len(images) == 1 else "images"
    print(f"{out}: {len(images)} {noun}, {milliseconds:.2f} ms per image")


def _read_latents(path: Path) -> np.ndarray:
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        latents = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        latents = None
    if not isinstance(latents, np.ndarray):
        raise UserError(f"{path} is no whole .npy file of numbers")
    if latents.ndim < 1 or not len(latents):
        raise UserError(f"{path} holds no latents")
    return latents
