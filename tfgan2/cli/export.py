"""`tfgan2 export`: a run's generator as SavedModel, TFLite and ONNX, each verified."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tfgan2.cli.options import Checkpoint
from tfgan2.cli.places import check_local_out, run_folder
from tfgan2.errors import UserError
from tfgan2.export import (
    FORMATS,
    OUTPUTS,
    PRECISIONS,
    Artifact,
    Network,
    Options,
    export_networks,
)
from tfgan2.export.layouts import LAYOUTS, check_layouts, write_layout
from tfgan2.runs import NEWEST
from tfgan2.web import command as web


def export(
    place: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run's folder, for example runs/00003-dcgan-mnist, or gs://…."
        ),
    ],
    format: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{', '.join(FORMATS)}; repeat it for several. web: a page that runs the ONNX.",
            show_default=f"all but {web.FORMAT}",
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Of TFLite: {', '.join(PRECISIONS)}; repeat it for several.",
            show_default="float32",
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(help="A fixed batch size.", show_default="1 for TFLite, else free"),
    ] = None,
    output: Annotated[
        str,
        typer.Option(help=f"Of images: {' or '.join(OUTPUTS)}, in [-1, 1] or in 0…255."),
    ] = "float32",
    dynamic_size: Annotated[
        bool,
        typer.Option(
            "--dynamic-size", help="Take images of any size, where images are made of images."
        ),
    ] = False,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET",
            help="For int8 and mixed, where images are made of images or sentences.",
            show_default="the run's own",
        ),
    ] = None,
    allow_lossy: Annotated[
        bool,
        typer.Option("--allow-lossy", help="Keep files, too, whose images anyone sees to differ."),
    ] = False,
    images: Annotated[
        int | None,
        typer.Option(
            help="How many the Fréchet distance takes.", show_default="2000, fewer of large ones"
        ),
    ] = None,
    bundle: Annotated[
        bool,
        typer.Option(
            "--bundle", help="Also pack the files, with samples and code to run them, for an app."
        ),
    ] = False,
    layout: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Also a model repository in OUT/LAYOUT: {', '.join(LAYOUTS)}; repeatable."
        ),
    ] = None,
    checkpoint: Checkpoint = NEWEST,
    out: Annotated[Path | None, typer.Option(help="Where to.", show_default="RUN/export")] = None,
    ort_web: Annotated[
        Path | None,
        typer.Option(
            help="Of web: the installed npm package onnxruntime-web.", show_default="its CDN"
        ),
    ] = None,
) -> None:
    """Export the generator of a run and verify each file against Keras."""
    options = Options(
        formats=web.file_formats(format or FORMATS, ort_web),
        precisions=precision or ("float32",),
        batch=batch,
        output=output,
        allow_lossy=allow_lossy,
        images=images,
    )
    options.plan()  # before TensorFlow takes its seconds
    check_layouts(layout or [], options.formats)
    from tfgan2 import runs, startup
    from tfgan2.cli import calibration as calibrating

    check_local_out(place, out)
    run = run_folder(place)
    config = runs.RunConfig.read(run)  # a wrong folder is told before TensorFlow is loaded
    calibrating.check_calibration(calibration, config, options)
    startup.load()
    model, about = runs.load_model(run, checkpoint)
    exports = model.exports()
    networks = {name: Network(item.network, item.facts) for name, item in exports.items()}
    if dynamic_size:
        for name, item in exports.items():
            if item.resized is None:
                raise UserError(
                    f"{about['flavour']} takes no images, so there is no size to leave free: "
                    "leave --dynamic-size out"
                )
            networks[name] = Network(item.resized(None, None), item.facts)
    folder = out or run / "export"
    pages = (
        web.folders(folder, {name: item.model for name, item in networks.items()})
        if web.FORMAT in (format or ())
        else {}
    )
    artifacts = export_networks(
        calibrating.with_examples(networks, exports, config, options, calibration),
        folder,
        options,
        latent_distribution=getattr(model, "latent_distribution", "normal"),
        class_names=about.get("class_names") or (),
        about={key: value for key, value in about.items() if key != "class_names"},
        bundle=bundle,
        progress=print,
    )
    lines = web.write(pages, ort_web, progress=print)
    _show(artifacts)
    if bundle:
        print(f"For an app: {artifacts[0].path.parent / 'bundle.zip'}")
    for line in lines:
        print(line)
    for name in layout or []:
        for written in write_layout(name, folder, folder / name):
            print(f"For {name}: {written}")


def _show(artifacts: Sequence[Artifact]) -> None:
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
    # Not through Rich: it would wrap what people copy.
    for artifact in artifacts:
        if artifact.precision == "mixed":
            layers = ", ".join(artifact.float_layers) or "none: int8 is good enough"
            print(f"{artifact.path.name} keeps in float: {layers}")
    print(f"Described in {artifacts[0].path.parent / 'metadata.json'}. Next:")
    for command in _next_commands(artifacts):
        print(f"  {command}")


def _next_commands(artifacts: Sequence[Artifact]) -> list[str]:
    commands = []
    for suffix in (".onnx", ".tflite"):
        files = [artifact.path for artifact in artifacts if artifact.path.suffix == suffix]
        if files:
            file, kind = shlex.quote(str(files[0])), suffix.removeprefix(".")
            if any(item["name"] == "input" for item in artifacts[0].inputs):
                commands.append(f"tfgan2 translate {file} --input PICTURES --out {kind}")
            else:
                commands.append(f"tfgan2 generate {file} --count 16 --out {kind}.png")
    if not commands:
        folder = shlex.quote(str(artifacts[0].path))
        commands.append(f"saved_model_cli show --dir {folder} --all")
    return commands
