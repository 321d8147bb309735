"""`tfgan2 export`: writes a run's generator as SavedModel, TFLite and ONNX, each verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tfgan2.cli.options import Checkpoint, given, quoted, with_declared
from tfgan2.cli.tables import print_table
from tfgan2.export import PAGE, Artifact, Options, export_run, page_folder
from tfgan2.export.folder import size_of
from tfgan2.export.options import LAYOUTS
from tfgan2.remote import local_copy, local_out
from tfgan2.runs import NEWEST


@with_declared(Options)
def export(
    location: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Run directory, for example runs/00003-dcgan-mnist, or gs://…."
        ),
    ],
    checkpoint: Checkpoint = NEWEST,
    out: Annotated[Path | None, typer.Option(help="Export folder; default RUN/export.")] = None,
    **options: Any,
) -> None:
    """Export the generator of a run and verify each file against Keras."""
    chosen = Options(**given(options))
    local_out(location, out)
    artifacts = export_run(local_copy(location), out, chosen, checkpoint=checkpoint, progress=print)
    figures = ["MB", "max difference", "PSNR dB", "Fréchet", "ms per image"]
    rows = [
        (
            item.path.name,
            f"{item.bytes / 1e6:.2f}",
            f"{item.max_difference:.1e}",
            f"{item.psnr:.1f}",
            f"{item.frechet['distance']:.2g}",
            f"{item.milliseconds_per_image:.2f}",
        )
        for item in artifacts
    ]
    if not artifacts:  # Core ML alone
        return
    print_table(["file"], figures, rows, width=120)
    for line in _next_steps(artifacts, chosen):
        print(line)


def _next_steps(artifacts: Sequence[Artifact], options: Options) -> Iterator[str]:
    """Yields what the table leaves out, and what to do with the files."""
    for artifact in artifacts:
        if artifact.float_layers is not None:
            layers = ", ".join(artifact.float_layers) or "none: int8 is good enough"
            yield f"{artifact.path.name}, layers kept in float32: {layers}"
    folder = artifacts[0].path.parent
    yield f"Described in {folder / 'metadata.json'}. Next:"
    files = {artifact.format: quoted(artifact.path) for artifact in reversed(artifacts)}
    takes_images = any(item["name"] == "input" for item in artifacts[0].inputs)
    for kind in sorted(files.keys() - {"saved_model"}):
        if takes_images:
            yield f"  tfgan2 translate {files[kind]} --input IMAGES --out {kind}"
        else:
            yield f"  tfgan2 generate {files[kind]} --count 16 --out {kind}.png"
    if files.keys() == {"saved_model"}:
        yield f"  saved_model_cli show --dir {files['saved_model']} --all"
    if options.bundle:
        yield f"For an app: {folder / 'bundle.zip'}"
    for artifact in (item for item in artifacts if item.precision == "float32"):
        page = page_folder(folder, artifact.network)
        if PAGE in options.formats and artifact.format == "onnx" and page.is_dir():
            size = f"{size_of(page) / 1e6:.1f} MB"
            yield f"Web page of {size} in {page}. Open http://localhost:8000 after:"
            yield f"  python -m http.server --directory {quoted(page)}"
    for layout in options.layouts:
        for artifact in artifacts:
            if (artifact.format, artifact.precision) == (LAYOUTS[layout], "float32"):
                yield f"For {layout}: {folder / layout / artifact.network}"
