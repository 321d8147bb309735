"""The application: the addresses of a file, its page, and how errors are answered."""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.routing import Route

from tfgan2 import __version__
from tfgan2.errors import UserError
from tfgan2.runtime import Generator
from tfgan2.serve import generating, translating
from tfgan2.serve.admission import limit_requests
from tfgan2.serve.limits import Limits
from tfgan2.serve.responses import Problem
from tfgan2.serve.service import Service
from tfgan2.web import check_shape, ort, page_files

PAGE_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".wasm": "application/wasm",
}


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
    if ort_web is not None:
        ort.find(Path(ort_web))  # an error now, not when the page is first requested
    service = Service(Path(path), limits or Limits(), threads)
    app = FastAPI(
        title="tfgan2 serve",
        description=f"Images of `{service.path.name}`.",
        version=__version__,
        lifespan=service.lifespan,
        redoc_url=None,
    )
    app.state.service = service
    if isinstance(service.network, Generator):
        generating.add_addresses(app, service, service.network)
    else:
        translating.add_addresses(app, service, service.network)
    _add_common(app, service)
    if _runs_in_browser(service):
        _add_page(app, service.path, ort_web)
    else:
        _add_home(app, service)
    for kind in (RequestValidationError, UserError):
        app.add_exception_handler(kind, _invalid)
    known = frozenset(route.path for route in app.routes if isinstance(route, Route))
    app.add_middleware(limit_requests, service=service, known=known)
    return app


def _runs_in_browser(service: Service) -> bool:
    """Returns whether `tfgan2.web` makes a page of the file."""
    try:
        check_shape(tuple(service.network.metadata["outputs"][0]["shape"]))
    except UserError:
        return False
    return service.path.suffix.lower() == ".onnx"


def _add_common(app: FastAPI, service: Service) -> None:
    @app.get("/metadata")
    async def metadata() -> dict[str, Any]:
        """Description of the file; docs/export.md lists the fields."""
        return service.network.metadata

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Answers as long as the process runs."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: {"model": Problem, "description": "It is shutting down."}})
    async def readyz() -> dict[str, str]:
        """Whether requests should be sent here."""
        if service.batches.draining:
            raise HTTPException(503, "this server is shutting down")
        return {"status": "ready"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counters for Prometheus."""
        content = generate_latest(service.batches.metrics.registry)
        return Response(content, media_type=CONTENT_TYPE_LATEST)


def _add_home(app: FastAPI, service: Service) -> None:
    """Adds a page at / for a file that no browser runs: it shows what the server makes."""
    about = service.network.metadata.get("about", {})
    names = [str(about[key]) for key in ("flavour", "dataset") if about.get(key)]
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("tfgan2.serve"), autoescape=True, trim_blocks=True
    )
    title = " · ".join(names) or service.path.name
    html = templates.get_template("home.html").render(title=title, network=service.network)

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return Response(html, media_type="text/html")


def _add_page(app: FastAPI, path: Path, ort_web: str | Path | None) -> None:
    """Adds the page that runs the file in the browser."""

    @cache
    def files() -> dict[str, bytes]:
        return page_files(path, ort_web)  # takes seconds

    @app.get("/", include_in_schema=False)
    async def to_page() -> Response:
        return RedirectResponse("page/")

    @app.get("/page/{name:path}", include_in_schema=False)
    def page(name: str) -> Response:
        name = name or "index.html"
        if name not in files():
            raise HTTPException(404)
        media_type = PAGE_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
        return Response(files()[name], media_type=media_type)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    detail = str(error)
    if isinstance(error, RequestValidationError):
        # Not FastAPI's own list: it repeats the input, which may be large or hold what JSON cannot.
        first = error.errors()[0]
        detail = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return JSONResponse({"detail": detail}, 422)
