"""`tfgan2 export`: a run's generator as SavedModel, TFLite and ONNX, each verified."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tfgan2.errors import UserError
from tfgan2.export import FORMATS, PRECISIONS, Artifact, check_request, export_networks
from tfgan2.export.layouts import LAYOUTS, check_layouts, write_layout
from tfgan2.web import command as web


def export(
    run: Annotated[
        Path, typer.Argument(help="A run's folder, for example runs/00003-dcgan-mnist.")
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
    dynamic_size: Annotated[
        bool,
        typer.Option(
            "--dynamic-size", help="Take images of any size, where images are made of images."
        ),
    ] = False,
    layout: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Also a model repository in OUT/LAYOUT: {', '.join(LAYOUTS)}; repeatable."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to.", show_default="RUN/export")] = None,
    ort_web: Annotated[
        Path | None,
        typer.Option(
            help="Of web: the installed npm package onnxruntime-web.", show_default="its CDN"
        ),
    ] = None,
) -> None:
    """Export the generator of a run and verify each file against Keras."""
    formats, precisions = web.file_formats(format or FORMATS, ort_web), precision or ("float32",)
    check_request(formats, precisions, batch)  # before TensorFlow takes its seconds
    check_layouts(layout or [], formats)
    from tfgan2 import runs
    from tfgan2.cli import tensorflow

    runs.RunConfig.read(run)  # a wrong folder is told before TensorFlow is loaded
    tensorflow.load()
    model, about = runs.load_model(run)
    exports = model.exports()
    networks = {name: item.network for name, item in exports.items()}
    if dynamic_size:
        for name, item in exports.items():
            if item.resized is None:
                raise UserError(
                    f"{about['flavour']} takes no images, so there is no size to leave free: "
                    "leave --dynamic-size out"
                )
            networks[name] = item.resized(None, None)
    folder = out or run / "export"
    pages = web.folders(folder, networks) if web.FORMAT in (format or ()) else {}
    artifacts = export_networks(
        networks,
        folder,
        formats=formats,
        precisions=precisions,
        batch=batch,
        facts={name: item.facts for name, item in exports.items()},
        latent_distribution=getattr(model, "latent_distribution", "normal"),
        class_names=about.get("class_names") or (),
        about={key: value for key, value in about.items() if key != "class_names"},
        progress=print,
    )
    lines = web.write(pages, ort_web, progress=print)
    _show(artifacts)
    for line in lines:
        print(line)
    for name in layout or []:
        folder = artifacts[0].path.parent
        for written in write_layout(name, folder, folder / name):
            print(f"For {name}: {written}")


def _show(artifacts: Sequence[Artifact]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width; Rich assumes 80 columns and would cut names off.
        console = Console(highlight=False, width=120)
    table = Table()
    table.add_column("file", no_wrap=True, min_width=max(len(a.path.name) for a in artifacts))
    for title in ("MB", "max difference", "picture", "ms per image"):
        table.add_column(title, justify="right")
    for artifact in artifacts:
        table.add_row(
            artifact.path.name,
            f"{artifact.bytes / 1e6:.2f}",
            f"{artifact.max_difference:.1e}",
            f"{artifact.picture_difference:.2f}/255",
            f"{artifact.milliseconds_per_image:.2f}",
        )
    console.print(table)
    # Not through Rich: it would wrap what people copy.
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
