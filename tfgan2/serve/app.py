"""The addresses that every file has, and those of its kind."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

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
from pydantic import BaseModel

from tfgan2 import __version__
from tfgan2.errors import UserError
from tfgan2.runtime import Generator
from tfgan2.serve.answers import NotAcceptableError
from tfgan2.serve.batches import Batches
from tfgan2.serve.gate import Gate, problem
from tfgan2.serve.home import home_page
from tfgan2.serve.metrics import Metrics
from tfgan2.serve.models import Served
from tfgan2.web import page_files

T = TypeVar("T")
MAX_THREADS = 8
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".wasm": "application/wasm",
}


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": description}
    for code, description in {
        400: "The body cannot be read.",
        406: "No kind of answer that is accepted can be made.",
        408: "The body did not come in time.",
        413: "The body, or a picture in it, is too large.",
        422: "The request makes no sense; `detail` says why.",
        503: "Too many requests at once, or the server is going down. See `Retry-After`.",
        504: "No answer in time.",
    }.items()
}


class Work:
    """What the addresses that make images share.

    Attributes:
        served: the file.
        batches: the queue before its model.
        metrics: what is counted.
    """

    def __init__(self, served: Served) -> None:
        self.served = served
        self.metrics = Metrics()
        self.batches = Batches(served.model, served.limits, self.metrics)
        threads = min(MAX_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Calls what would hold up the other requests, such as reading or writing pictures."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        runner = asyncio.create_task(self.batches.run())
        try:
            yield
        finally:
            runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await runner
            self.batches.close()
            self._pool.shutdown(wait=False, cancel_futures=True)


def make_app(served: Served, ort_web: Path | None = None) -> FastAPI:
    """The application for a file; `ort_web` is what `tfgan2.web.page_files` takes."""
    from tfgan2.serve import generating, translating

    work = Work(served)
    app = FastAPI(
        title="tfgan2 serve",
        description=f"Images of `{served.path.name}`.",
        version=__version__,
        lifespan=work.lifespan,
        redoc_url=None,
    )
    app.state.work = work
    if isinstance(served.network, Generator):
        router = generating.make_router(work, served.network)
    else:
        router = translating.make_router(work, served.network)
    app.include_router(router)
    _add_common(app, work)
    _add_page(app, work, ort_web)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(UserError, _wrong)
    app.add_exception_handler(NotAcceptableError, _not_acceptable)
    paths = {route.path for route in [*router.routes, *app.routes] if hasattr(route, "path")}
    app.add_middleware(
        Gate,
        batches=work.batches,
        limits=served.limits,
        metrics=work.metrics,
        work=frozenset(route.path for route in router.routes if hasattr(route, "path")),
        known=frozenset(paths),
    )
    return app


def _add_common(app: FastAPI, work: Work) -> None:
    @app.get("/metadata")
    async def metadata() -> dict[str, Any]:
        """What the file says of itself; docs/export.md lists the fields."""
        return work.served.metadata

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Answers as long as the process does."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: {"model": Problem, "description": "It is going down."}})
    async def readyz() -> Response:
        """Whether requests should be sent here."""
        if work.batches.draining:
            return problem(503, "this server is going down")
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """What is counted, for Prometheus."""
        return Response(generate_latest(work.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _add_page(app: FastAPI, work: Work, ort_web: Path | None) -> None:
    """The page that runs the file in the browser, or where none can, one that shows what is made.

    The former takes seconds to make, so it is made when it is first asked for.
    """
    if not work.served.runs_in_browser:
        simple = home_page(work.served)

        @app.get("/", response_class=HTMLResponse, include_in_schema=False)
        async def home() -> str:
            return simple

        return
    making: asyncio.Task[dict[str, bytes]] | None = None

    @app.get("/", include_in_schema=False)
    async def to_page() -> Response:
        return RedirectResponse("page/")

    @app.get("/page/{name:path}", include_in_schema=False)
    async def page(name: str) -> Response:
        nonlocal making
        if making is None:
            making = asyncio.create_task(work.in_thread(page_files, work.served.path, ort_web))
        name = name or "index.html"
        content = (await asyncio.shield(making)).get(name)
        if content is None:
            return problem(404, "Not Found")
        kind = MEDIA_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
        return Response(content, media_type=kind)


# Starlette's type for handlers says Exception, whichever they are for.
async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Not FastAPI's own list: it repeats the input, of any size, which may hold what JSON cannot.
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return problem(422, f"{place}: {first['msg']}")


async def _wrong(request: Request, error: Exception) -> JSONResponse:
    return problem(422, str(error))


async def _not_acceptable(request: Request, error: Exception) -> JSONResponse:
    return problem(406, str(error))
