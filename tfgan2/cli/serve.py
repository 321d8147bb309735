"""`tfgan2 serve`: an exported file behind HTTP, without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tfgan2.cli.options import given, with_declared
from tfgan2.serve import Limits


@with_declared(Limits)
def serve(
    file: Annotated[
        Path,
        typer.Argument(
            help="A .onnx or .tflite file of `tfgan2 export`, or pretrained:digits.",
            show_default=False,
        ),
    ],
    host: Annotated[
        str, typer.Option(help="An address of this machine; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8000,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the model.", show_default="all cores")
    ] = None,
    ort_web: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the npm package onnxruntime-web, for the page at /.",
            show_default="its CDN",
        ),
    ] = None,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Show each request on stderr.")
    ] = False,
    **limits: Any,
) -> None:
    """Serve an exported file over HTTP; imports no TensorFlow."""
    from tfgan2.serve import serve as serve_file  # needs an extra

    serve_file(
        file,
        host=host,
        port=port,
        limits=Limits(**given(limits)),
        threads=threads,
        ort_web=ort_web,
        access_log=access_log,
    )
