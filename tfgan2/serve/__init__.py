"""Serves an exported file over HTTP: NumPy, onnxruntime or LiteRT, FastAPI; no TensorFlow.

from tfgan2.serve import Limits, serve

serve("generator.onnx", port=8000)
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2.errors import UserError
from tfgan2.serve.limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["Limits", "create_app", "serve"]


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
    return _module("app").make_app(path, limits or Limits(), threads, ort_web)


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
    server = _module("server")
    # Bound before the model is loaded and tried out, which may take a while.
    with server.bind(host, port) as bound:
        app = create_app(path, limits, threads=threads, ort_web=ort_web)
        server.run(app, bound, host, access_log=access_log)


def _module(name: str) -> Any:
    """Imports a module of this folder, which needs the packages of the extra `serve`."""
    try:
        return import_module(f"tfgan2.serve.{name}")
    except ModuleNotFoundError as error:
        raise UserError(f"tfgan2 serve needs {error.name}: pip install 'tfgan2[serve]'") from None
