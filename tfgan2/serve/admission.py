"""ASGI middleware that limits requests in number, size and time, and counts them."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tfgan2.serve.batches import ClosingError
from tfgan2.serve.service import Service

LIMITED = ("/generate", "/generate.png", "/translate")


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
        start, path, status = time.perf_counter(), scope["path"], 0

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
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
        body: deque[Message] = deque()

        async def replay() -> Message:
            await asyncio.sleep(0)  # so that other requests run while a large body is parsed
            return body.popleft() if body else await receive()

        reading = True
        try:
            with service.batches.request(), anyio.move_on_after(timeout) as time_limit:
                body += await _read_body(scope, receive, service.limits.max_body or 0)
                reading = False
                await app(scope, replay, send)
        except asyncio.CancelledError:  # the time to shut down has run out
            raise ClosingError from None
        if time_limit.cancelled_caught and reading:
            raise HTTPException(408, "the body did not arrive in time", {"Connection": "close"})
        if time_limit.cancelled_caught:
            raise HTTPException(504, f"no response within {timeout:g} s: ask for fewer images")

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
