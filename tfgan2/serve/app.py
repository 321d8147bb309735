"""The application: the addresses of a file, its page, limits of requests, and errors."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import cache
from importlib.metadata import version
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any

import anyio
import jinja2
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tfgan2.errors import UserError
from tfgan2.runtime import Generator
from tfgan2.runtime.shipped import located
from tfgan2.serve import generating, translating
from tfgan2.serve.batches import ClosingError
from tfgan2.serve.limits import Limits
from tfgan2.serve.responses import Problem
from tfgan2.serve.service import Service
from tfgan2.web import check_shape, ort, page_files, title_parts

LIMITED = ("/generate", "/generate.png", "/translate")
FILE_TYPES = MimeTypes()  # those of Python: the system may have others


def create_app(
    path: str | Path,
    limits: Limits | None = None,
    *,
    threads: int | None = None,
    ort_web: str | Path | None = None,
) -> FastAPI:
    """Returns an ASGI application for an exported file, for a server of your own.

    Args:
        path: a `.onnx` or `.tflite` file that `tfgan2 export` wrote, or `pretrained:digits`.
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
    service = Service(located(path), limits or Limits(), threads)
    title = " · ".join(title_parts(service.path, service.network.metadata))
    app = FastAPI(
        title="tfgan2 serve",
        description=f"Images of {title}.",
        version=version("tfgan2"),
        lifespan=service.lifespan,
        exception_handlers=dict.fromkeys((RequestValidationError, UserError), _invalid),
        redoc_url=None,
    )
    app.state.service = service
    if isinstance(service.network, Generator):
        generating.add_addresses(app, service, service.network)
    else:
        translating.add_addresses(app, service, service.network)
    _add_common(app, service)
    _add_page(app, service, title, ort_web)
    known = frozenset(route.path for route in app.routes if isinstance(route, Route))
    app.add_middleware(limit_requests, service=service, known=known)
    return app


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


def _add_page(app: FastAPI, service: Service, title: str, ort_web: str | Path | None) -> None:
    """Adds the page that runs the file in the browser, or one that shows what the server makes."""
    path, metadata = service.path, service.network.metadata
    try:
        check_shape(tuple(metadata["outputs"][0]["shape"]))
        in_browser = path.suffix.lower() == ".onnx"
    except UserError:
        in_browser = False
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("tfgan2.serve"), autoescape=True, trim_blocks=True
    )
    html = templates.get_template("home.html").render(
        title=title, network=service.network, count=min(16, service.limits.max_count)
    )
    files, computing = cache(lambda: page_files(path, ort_web)), asyncio.Lock()  # takes seconds

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return RedirectResponse("page/") if in_browser else Response(html, media_type="text/html")

    @app.get("/page/{name:path}", include_in_schema=False)
    async def page(name: str) -> Response:
        name = name or "index.html"
        if not in_browser:
            raise HTTPException(404)
        async with computing:  # not in a thread, where those who wait would hold up other requests
            content = (await run_in_threadpool(files)).get(name)
        if content is None:
            raise HTTPException(404)
        media_type, _ = FILE_TYPES.guess_type(name)
        return Response(content, media_type=media_type or "application/octet-stream")


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    status, detail = 422, str(error)
    if isinstance(error, RequestValidationError):
        # Not FastAPI's own list: it repeats the input, which may be large or hold what JSON cannot.
        first = error.errors()[0]
        detail = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        if first["type"] == "json_invalid":
            status, detail = 400, f"the body is not JSON: {first['ctx']['error']}"
        elif first["loc"] == ("body",):
            detail = "the body is no JSON object: send one with Content-Type: application/json"
    return JSONResponse({"detail": detail}, status)


def limit_requests(app: ASGIApp, service: Service, known: frozenset[str]) -> ASGIApp:
    """Wraps an application: admits requests for images while there is room, cancels slow ones.

    Other requests, such as for health, are always admitted. All are counted, those for paths that
    are not `known` as "other".
    """
    metrics, timeout = service.batches.metrics, service.limits.timeout

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # as GET, and the server leaves the body out
            scope = {**scope, "method": "GET"}
        start, status = time.perf_counter(), 0
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # of a proxy or a mount

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await (admit if path in LIMITED else app)(scope, receive, send_noting_status)
        except HTTPException as error:
            if not status:  # else it is too late for another response
                response = JSONResponse({"detail": error.detail}, error.status_code, error.headers)
                await response(scope, receive, send_noting_status)
        finally:
            route = path if path in known else "other"
            method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
            metrics.requests.labels(route, method, str(status or 500)).inc()
            metrics.seconds.labels(route).observe(time.perf_counter() - start)

    async def admit(scope: Scope, receive: Receive, send: Send) -> None:
        """Runs a request for images; an HTTPException if it is not admitted, or is cancelled."""
        if not service.running:
            raise RuntimeError("the lifespan of this application must run: see docs/serve.md")
        body: deque[Message] = deque()

        async def replay() -> Message:
            await asyncio.sleep(0)  # so that other requests run while a large body is parsed
            return body.popleft() if body else await receive()

        late = HTTPException(408, "the body did not arrive in time", {"Connection": "close"})
        try:
            with service.batches.request(), anyio.move_on_after(timeout) as time_limit:
                body += await _read_body(scope, receive, service.max_body)
                late = HTTPException(504, f"no response within {timeout:g} s: ask for fewer images")
                await app(scope, replay, send)
        except asyncio.CancelledError:  # the time to shut down has run out
            raise ClosingError from None
        if time_limit.cancelled_caught:
            raise late

    return count


async def _read_body(scope: Scope, receive: Receive, limit: int) -> list[Message]:
    """Returns the messages of the body, unless it is too large."""
    too_large = HTTPException(413, f"the body is larger than {limit:,} bytes")
    length = Headers(scope=scope).get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large
    messages: list[Message] = []
    size = 0
    while not messages or messages[-1].get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            return [{"type": "http.request"}]
        messages.append(message)
        size += len(message.get("body", b""))
        if size > limit:
            raise too_large
    return messages
