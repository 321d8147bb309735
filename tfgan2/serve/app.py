"""The application: the addresses of a file, its page, and how errors are answered."""

from __future__ import annotations

import asyncio
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tfgan2 import __version__
from tfgan2.errors import UserError
from tfgan2.runtime import Generator
from tfgan2.serve import generating, translating
from tfgan2.serve.admission import AdmissionMiddleware
from tfgan2.serve.models import ServedModel
from tfgan2.serve.responses import NotAcceptableError, Problem, problem
from tfgan2.serve.service import Service
from tfgan2.web import page_files

PAGE_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".wasm": "application/wasm",
}


def make_app(served: ServedModel, ort_web: Path | None = None) -> FastAPI:
    """Returns the application for a file; `ort_web` is that of `tfgan2.web.page_files`."""
    service = Service(served)
    app = FastAPI(
        title="tfgan2 serve",
        description=f"Images of `{served.path.name}`.",
        version=__version__,
        lifespan=service.lifespan,
        redoc_url=None,
    )
    app.state.service = service
    if isinstance(served.network, Generator):
        router = generating.make_router(service, served.network)
    else:
        router = translating.make_router(service, served.network)
    app.include_router(router)
    _add_common(app, service)
    if served.runs_in_browser:
        _add_page(app, service, ort_web)
    else:
        _add_home(app, served)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(UserError, lambda request, error: problem(422, str(error)))
    app.add_exception_handler(NotAcceptableError, lambda request, error: problem(406, str(error)))
    limited = frozenset(route.path for route in router.routes if hasattr(route, "path"))
    others = frozenset(route.path for route in app.routes if hasattr(route, "path"))
    app.add_middleware(
        AdmissionMiddleware, service=service, limited=limited, known=limited | others
    )
    return app


def _add_common(app: FastAPI, service: Service) -> None:
    @app.get("/metadata")
    async def metadata() -> dict[str, Any]:
        """Description of the file; docs/export.md lists the fields."""
        return service.served.network.metadata

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Answers as long as the process runs."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: {"model": Problem, "description": "It is shutting down."}})
    async def readyz() -> Response:
        """Whether requests should be sent here."""
        if service.batches.draining:
            return problem(503, "this server is shutting down")
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _add_home(app: FastAPI, served: ServedModel) -> None:
    """Adds a page at / for a file that no browser runs: it shows what the server makes."""
    about, network = served.network.metadata.get("about", {}), served.network
    names = [str(about[key]) for key in ("flavour", "dataset") if about.get(key)]
    template = (resources.files("tfgan2.serve") / "templates" / "home.html").read_text("utf-8")
    page = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(template)
    html = page.render(
        title=" · ".join(names) or served.path.name,
        generates=isinstance(network, Generator),
        classes=getattr(network, "class_names", ()) if getattr(network, "conditional", 0) else (),
        takes_mask=getattr(network, "takes_mask", False),
    )

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def home() -> str:
        return html


def _add_page(app: FastAPI, service: Service, ort_web: Path | None) -> None:
    """Adds the page that runs the file in the browser, made when it is first requested.

    Making it takes seconds.
    """
    files: asyncio.Task[dict[str, bytes]] | None = None

    @app.get("/", include_in_schema=False)
    async def to_page() -> Response:
        return RedirectResponse("page/")

    @app.get("/page/{name:path}", include_in_schema=False)
    async def page(name: str) -> Response:
        nonlocal files
        if files is None:
            files = asyncio.create_task(service.in_thread(page_files, service.served.path, ort_web))
        name = name or "index.html"
        content = (await asyncio.shield(files)).get(name)
        if content is None:
            return problem(404, "Not Found")
        media_type = PAGE_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
        return Response(content, media_type=media_type)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    # Starlette's type for handlers says Exception, whichever they are for.
    assert isinstance(error, RequestValidationError)
    # Not FastAPI's own list: it repeats the input, of any size, which may hold what JSON cannot.
    first = error.errors()[0]
    return problem(422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
