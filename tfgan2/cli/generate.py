"""`tfgan2 generate`: generates images with an exported file, without TensorFlow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from tfgan2 import runtime
from tfgan2.cli.options import Label, Latents, Text
from tfgan2.errors import UserError
from tfgan2.images import check_output, save_samples
from tfgan2.inputs.labels import label_columns
from tfgan2.inputs.latents import read_latents

DEFAULT_COUNT = 16


def generate(
    file: Annotated[
        Path,
        typer.Argument(
            help="A .onnx or .tflite file from `tfgan2 export`, or pretrained:digits.",
            show_default=False,
        ),
    ],
    count: Annotated[
        int | None, typer.Option(help="Number of images.", show_default="16, or 8 of each class")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the latents, as in `tfgan2 sample`.", show_default="0"),
    ] = None,
    out: Annotated[Path, typer.Option(help="A .png (grid), .gif or .npz, or a folder.")] = Path(
        "generated.png"
    ),
    label: Label = None,
    text: Text = None,
    latents: Latents = None,
    truncation: Annotated[
        float | None,
        typer.Option(help="As in `tfgan2 sample`.", show_default="that of the export"),
    ] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Columns of the grid.")] = None,
) -> None:
    """Generate images with an exported file, without TensorFlow."""
    check_output(out, columns=columns)
    if latents is not None and count is not None:
        raise UserError("give either --count or --latents: the file sets the number of images")
    if latents is not None and seed is not None:
        raise UserError("give either --seed or --latents: a seed draws latents")
    generator = runtime.load(file)
    if isinstance(generator, runtime.Translator):
        raise UserError(f"{file} makes images from images: use `tfgan2 translate`")
    check_output(out, generator.image_shape)
    if columns is None:
        columns = label_columns(
            len(text or generator.captions) or len(label or generator.class_names)
        )
    if latents is None:
        if count is None:
            count = 8 * columns if columns else DEFAULT_COUNT
        used, labels, texts = generator.draw(count, seed=seed or 0, label=label, text=text)
    else:
        used = read_latents(latents)
        labels, texts = generator.conditions(len(used), label, text)
    start = time.perf_counter()
    images = generator(used, labels, texts, truncation=truncation)
    milliseconds = (time.perf_counter() - start) * 1000 / len(images)
    save_samples(out, images, latents=used, labels=labels, columns=columns)
    noun = "image" if len(images) == 1 else "images"
    print(f"{out}: {len(images)} {noun}, {milliseconds:.2f} ms per image")
