"""Serves an exported file over HTTP: NumPy, onnxruntime or LiteRT, FastAPI; no TensorFlow.

from tfgan2.serve import Limits, serve

serve("generator.onnx", port=8000)
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2.errors import UserError
from tfgan2.serve.limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["Limits", "create_app", "serve"]

PACKAGES = ("fastapi", "httptools", "jinja2", "prometheus_client", "python_multipart", "uvicorn")


def create_app(
    path: str | Path,
    limits: Limits | None = None,
    *,
    threads: int | None = None,
    ort_web: str | Path | None = None,
) -> FastAPI:
    """Returns an ASGI application for an exported file, for a server of your own.

    Args:
        path: a `.onnx` or `.tflite` file that `tfgan2 export` wrote.
        limits: the limits; default: `Limits()`.
        threads: for the computation; default: all cores this process may use.
        ort_web: folder of the npm package onnxruntime-web, which the page at / then loads from this
            server instead of a CDN.

    Raises:
        UserError: a package of the extra `serve` is missing, `ort_web` is not that package, or the
            errors of `runtime.load`.
    """
    _check_packages()
    from tfgan2.serve.app import make_app
    from tfgan2.serve.models import open_model
    from tfgan2.web import ort

    page_runtime = None if ort_web is None else ort.find(Path(ort_web))
    return make_app(open_model(Path(path), limits or Limits(), threads=threads), page_runtime)


def serve(
    path: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    threads: int | None = None,
    ort_web: str | Path | None = None,
    access_log: bool = False,
) -> None:
    """Serves an exported file until SIGTERM or SIGINT, then finishes the requests in progress.

    Args:
        path: as for `create_app`, as are `limits`, `threads` and `ort_web`.
        host: an address of this machine; "0.0.0.0" for all.
        port: 0 for a free one.
        access_log: whether to print each request to stderr.

    Raises:
        UserError: the errors of `create_app`, or the port cannot be bound.
    """
    _check_packages()
    from tfgan2.serve.server import run

    run(
        Path(path),
        host=host,
        port=port,
        limits=limits or Limits(),
        threads=threads,
        ort_web=ort_web,
        access_log=access_log,
    )


def _check_packages() -> None:
    """Raises a UserError if a package of the extra `serve` is missing."""
    for name in PACKAGES:
        try:
            import_module(name)
        except ImportError:
            raise UserError(f"tfgan2 serve needs {name}: pip install 'tfgan2[serve]'") from None
