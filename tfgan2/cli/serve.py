"""`tfgan2 serve`: an exported file behind HTTP, without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfgan2.serve import Limits
from tfgan2.serve import serve as serve_file

DEFAULT = Limits()


def serve(
    file: Annotated[Path, typer.Argument(help="A .onnx or .tflite file of `tfgan2 export`.")],
    host: Annotated[
        str, typer.Option(help="An address of this machine; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8000,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the model.", show_default="all cores")
    ] = None,
    max_batch: Annotated[
        int, typer.Option(min=1, max=256, help="Images per run of the model.")
    ] = DEFAULT.max_batch,
    max_wait_ms: Annotated[
        float,
        typer.Option(min=0, help="Milliseconds a request waits for others to share its batch."),
    ] = DEFAULT.max_wait_ms,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Images in the server at once; beyond it 503.")
    ] = DEFAULT.max_queue,
    max_count: Annotated[
        int, typer.Option(min=1, help="Images per request; beyond it 422.")
    ] = DEFAULT.max_count,
    max_body: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Bytes per request; beyond it 413.",
            show_default="what the largest request needs; 16 MiB for uploads",
        ),
    ] = DEFAULT.max_body,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Pixels of an uploaded image; beyond it 413.")
    ] = DEFAULT.max_pixels,
    max_made_pixels: Annotated[
        int, typer.Option(min=1, help="Pixels of an output, where sizes are free; beyond it 413.")
    ] = DEFAULT.max_made_pixels,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds per request; beyond it 504.")
    ] = DEFAULT.timeout,
    drain_delay: Annotated[
        float,
        typer.Option(min=0, help="Seconds after SIGTERM in which new requests are still taken."),
    ] = DEFAULT.drain_delay,
    drain_timeout: Annotated[
        float,
        typer.Option(min=0, help="Seconds after --drain-delay to finish requests in progress."),
    ] = DEFAULT.drain_timeout,
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
) -> None:
    """Serve an exported file over HTTP; imports no TensorFlow."""
    limits = Limits(
        max_batch=max_batch,
        max_wait_ms=max_wait_ms,
        max_queue=max_queue,
        max_count=max_count,
        max_body=max_body,
        max_pixels=max_pixels,
        max_made_pixels=max_made_pixels,
        timeout=timeout,
        drain_delay=drain_delay,
        drain_timeout=drain_timeout,
    )
    serve_file(
        file,
        host=host,
        port=port,
        limits=limits,
        threads=threads,
        ort_web=ort_web,
        access_log=access_log,
    )
