"""`tfgan2 export`: writes a run's generator as SavedModel, TFLite and ONNX, each verified."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tfgan2.cli.options import Checkpoint
from tfgan2.cli.places import check_local_out, run_folder
from tfgan2.cli.tables import print_table
from tfgan2.export import FORMATS, PAGE, PRECISIONS, Artifact, Options, export_run
from tfgan2.export.exporting import page_folder
from tfgan2.export.folder import size_of
from tfgan2.export.options import LAYOUTS
from tfgan2.runs import NEWEST


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
        formats=format or FORMATS,
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
    check_local_out(place, out)
    artifacts = export_run(
        run_folder(place),
        out,
        options,
        checkpoint=checkpoint,
        calibration_dataset=calibration,
        progress=print,
    )
    rows = [
        (
            artifact.path.name,
            f"{artifact.bytes / 1e6:.2f}",
            f"{artifact.max_difference:.1e}",
            f"{artifact.psnr:.1f}",
            f"{artifact.frechet['distance']:.2g}",
            f"{artifact.milliseconds_per_image:.2f}",
        )
        for artifact in artifacts
    ]
    figures = ["MB", "max difference", "PSNR dB", "Fréchet", "ms per image"]
    print_table(["file"], figures, rows, width=120)
    for line in _next_steps(artifacts, options):
        print(line)


def _next_steps(artifacts: Sequence[Artifact], options: Options) -> Iterator[str]:
    """Yields what the table leaves out, and what to do with the files."""
    for artifact in artifacts:
        if artifact.float_layers is not None:
            layers = ", ".join(artifact.float_layers) or "none: int8 is good enough"
            yield f"{artifact.path.name}, layers kept in float32: {layers}"
    folder = artifacts[0].path.parent
    yield f"Described in {folder / 'metadata.json'}. Next:"
    takes_images = any(item["name"] == "input" for item in artifacts[0].inputs)
    files = {artifact.format: artifact.path for artifact in reversed(artifacts)}
    for kind in ("onnx", "tflite"):
        if kind in files:
            file = shlex.quote(str(files[kind]))
            if takes_images:
                yield f"  tfgan2 translate {file} --input IMAGES --out {kind}"
            else:
                yield f"  tfgan2 generate {file} --count 16 --out {kind}.png"
    if files.keys() == {"saved_model"}:
        yield f"  saved_model_cli show --dir {shlex.quote(str(artifacts[0].path))} --all"
    if options.bundle:
        yield f"For an app: {folder / 'bundle.zip'}"
    for artifact in artifacts:
        page = page_folder(folder, artifact.network)
        if PAGE in options.formats and artifact.format == "onnx" and page.is_dir():
            size = f"{size_of(page) / 1e6:.1f} MB"
            yield f"Web page of {size} in {page}. Open http://localhost:8000 after:"
            yield f"  python -m http.server --directory {shlex.quote(str(page))}"
    for layout in options.layouts:
        for artifact in artifacts:
            if artifact.format == LAYOUTS[layout]:
                yield f"For {layout}: {folder / layout / artifact.network}"
