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


class AdmissionMiddleware:
    """Admits requests for images while there is room, and cancels those that take too long.

    Other requests, such as for health, are always admitted.
    """

    def __init__(
        self, app: ASGIApp, *, service: Service, limited: frozenset[str], known: frozenset[str]
    ) -> None:
        """
        Args:
            app: the application.
            service: has the limits, the queue and the counters.
            limited: the paths that make images.
            known: all paths; any other is counted as "other".
        """
        self._app = app
        self._service = service
        self._limited = limited
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, path, status = time.perf_counter(), scope["path"], 0

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        run = self._admit if path in self._limited else self._app
        try:
            await run(scope, receive, send_noting_status)
        except HTTPException as error:
            if not status:  # else it is too late for another response
                response = JSONResponse({"detail": error.detail}, error.status_code, error.headers)
                await response(scope, receive, send_noting_status)
        finally:
            metrics = self._service.batches.metrics
            route = path if path in self._known else "other"
            method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
            metrics.requests.labels(route, method, str(status or 500)).inc()
            metrics.seconds.labels(route).observe(time.perf_counter() - start)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs a request for images; an HTTPException if it is not admitted, or is cancelled."""
        timeout = self._service.limits.timeout
        body: deque[Message] = deque()

        async def replay() -> Message:
            await asyncio.sleep(0)  # so that other requests run while a large body is parsed
            return body.popleft() if body else await receive()

        reading = True
        try:
            with self._service.batches.request(), anyio.move_on_after(timeout) as time_limit:
                body += await self._read_body(scope, receive)
                reading = False
                await self._app(scope, replay, send)
        except asyncio.CancelledError:  # the time to shut down has run out
            raise ClosingError from None
        if time_limit.cancelled_caught and reading:
            headers = {"Connection": "close"}
            raise HTTPException(408, "the body did not arrive in time", headers)
        if time_limit.cancelled_caught:
            raise HTTPException(504, f"no response within {timeout:g} s: ask for fewer images")

    async def _read_body(self, scope: Scope, receive: Receive) -> list[Message]:
        """Reads the whole body, unless it is too large; returns its messages."""
        limit = self._service.limits.max_body or 0
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
