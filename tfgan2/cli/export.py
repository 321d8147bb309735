"""`tfgan2 export`: writes a run's generator as SavedModel, TFLite and ONNX, each verified."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tfgan2.cli.options import Checkpoint
from tfgan2.export import FORMATS, PAGE, PRECISIONS, Artifact, Options
from tfgan2.export.artifact import size_of
from tfgan2.export.layouts import LAYOUTS
from tfgan2.remote import local_copy, local_out
from tfgan2.runs import NEWEST, RunConfig


def export(
    place: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Run directory, for example runs/00003-dcgan-mnist, or gs://…."
        ),
    ],
    format: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{', '.join(FORMATS)}, or {PAGE}: a page that runs the ONNX file. Repeatable.",
            show_default=f"all but {PAGE}",
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Precision of TFLite: {', '.join(PRECISIONS)}. Repeatable.",
            show_default="float32",
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Fixed batch size.", show_default="1 for TFLite, otherwise free"),
    ] = None,
    output: Annotated[
        str,
        typer.Option(help="Dtype of images: float32 in [-1, 1] or uint8 in 0…255."),
    ] = "float32",
    dynamic_size: Annotated[
        bool,
        typer.Option(
            "--dynamic-size", help="Take images of any size, if the generator takes images."
        ),
    ] = False,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET",
            help="Data to calibrate int8 and mixed, if the generator takes images or sentences.",
            show_default="the run's own",
        ),
    ] = None,
    allow_lossy: Annotated[
        bool,
        typer.Option("--allow-lossy", help="Keep files whose images visibly differ."),
    ] = False,
    images: Annotated[
        int | None,
        typer.Option(
            help="Images for the Fréchet distance.", show_default="2000, fewer if they are large"
        ),
    ] = None,
    bundle: Annotated[
        bool,
        typer.Option("--bundle", help="Also pack the files with samples and code for an app."),
    ] = False,
    layout: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Also write a model repository to OUT/LAYOUT: {', '.join(LAYOUTS)}. Repeatable."
        ),
    ] = None,
    checkpoint: Checkpoint = NEWEST,
    out: Annotated[
        Path | None, typer.Option(help="Export folder.", show_default="RUN/export")
    ] = None,
    ort_web: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the npm package onnxruntime-web, for the page.", show_default="a CDN"
        ),
    ] = None,
) -> None:
    """Export the generator of a run and verify each file against Keras."""
    options = Options(
        formats=format or tuple(FORMATS),
        precisions=precision or PRECISIONS[:1],
        batch=batch,
        output=output,
        allow_lossy=allow_lossy,
        images=images,
        dynamic_size=dynamic_size,
        bundle=bundle,
        layouts=layout or (),
        ort_web=ort_web,
    )
    options.plan()  # errors come before TensorFlow takes its seconds
    local_out(place, out)
    run = local_copy(place)
    from tfgan2.export.calibration import check_calibration
    from tfgan2.export.exporting import export_run

    check_calibration(calibration, RunConfig.read(run), options)
    from tfgan2 import startup

    startup.load()
    artifacts = export_run(
        run,
        out,
        options,
        checkpoint=checkpoint,
        calibration_dataset=calibration,
        progress=print,
    )
    _show(artifacts, options)


def _show(artifacts: Sequence[Artifact], options: Options) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width; Rich assumes 80 columns and would cut names off.
        console = Console(highlight=False, width=120)
    table = Table()
    table.add_column("file", no_wrap=True, min_width=max(len(a.path.name) for a in artifacts))
    for title in ("MB", "max difference", "PSNR dB", "Fréchet", "ms per image"):
        table.add_column(title, justify="right")
    for artifact in artifacts:
        table.add_row(
            artifact.path.name,
            f"{artifact.bytes / 1e6:.2f}",
            f"{artifact.max_difference:.1e}",
            f"{artifact.psnr:.1f}",
            f"{artifact.frechet['distance']:.2g}",
            f"{artifact.milliseconds_per_image:.2f}",
        )
    console.print(table)
    # Not through Rich, which would wrap what people copy.
    for artifact in artifacts:
        if artifact.float_layers is not None:
            layers = ", ".join(artifact.float_layers) or "none: int8 is good enough"
            print(f"{artifact.path.name}, layers kept in float32: {layers}")
    folder = artifacts[0].path.parent
    print(f"Described in {folder / 'metadata.json'}. Next:")
    for command in _next_commands(artifacts):
        print(f"  {command}")
    if options.bundle:
        print(f"For an app: {folder / 'bundle.zip'}")
    from tfgan2.export.exporting import page_folder

    for artifact in artifacts:
        page = page_folder(folder, artifact.network)
        if PAGE in options.formats and artifact.format == "onnx" and page.is_dir():
            size = f"{size_of(page) / 1e6:.1f} MB"
            print(f"Web page of {size} in {page}. Open http://localhost:8000 after:")
            print(f"  python -m http.server --directory {shlex.quote(str(page))}")
    for layout in options.layouts:
        for artifact in artifacts:
            if artifact.format == LAYOUTS[layout].format:
                print(f"For {layout}: {folder / layout / artifact.network}")


def _next_commands(artifacts: Sequence[Artifact]) -> list[str]:
    commands = []
    for suffix in (".onnx", ".tflite"):
        files = [artifact.path for artifact in artifacts if artifact.path.suffix == suffix]
        if files:
            file, kind = shlex.quote(str(files[0])), suffix.removeprefix(".")
            if any(item["name"] == "input" for item in artifacts[0].inputs):
                commands.append(f"tfgan2 translate {file} --input IMAGES --out {kind}")
            else:
                commands.append(f"tfgan2 generate {file} --count 16 --out {kind}.png")
    if not commands:
        folder = shlex.quote(str(artifacts[0].path))
        commands.append(f"saved_model_cli show --dir {folder} --all")
    return commands
