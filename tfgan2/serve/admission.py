"""ASGI middleware that limits requests in number, size and time, and counts them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
from starlette.responses import JSONResponse

from tfgan2.serve.batches import BusyError, ClosingError
from tfgan2.serve.responses import problem
from tfgan2.serve.service import Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_CHUNK = 1 << 18


class TooLargeError(Exception):
    """A body is larger than allowed."""


class AdmissionMiddleware:
    """Admits requests for images while there is room, and cancels those that take too long.

    Other requests, such as for health, are always admitted.
    """

    def __init__(
        self, app: App, *, service: Service, limited: frozenset[str], known: frozenset[str]
    ) -> None:
        """
        Args:
            app: the application.
            service: has the limits, the queue and the counters.
            limited: the paths that make images.
            known: all paths; any other is counted as "other".
        """
        self._app = app
        self._batches = service.batches
        self._limits = service.served.limits
        self._metrics = service.metrics
        self._limited = limited
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"]
        try:
            if path in self._limited:
                response = await self._admit(scope, receive, send_noting_status)
                if response is not None and not status:
                    await response(scope, receive, send_noting_status)
            else:
                await self._app(scope, receive, send_noting_status)
        finally:
            route = path if path in self._known else "other"
            method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
            self._metrics.requests.labels(route, method, str(status or 500)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> JSONResponse | None:
        """Runs a request for images; returns the response if it was not admitted or cancelled."""
        reading = True
        try:
            with (
                self._batches.request(),
                anyio.move_on_after(self._limits.timeout) as time_limit,
            ):
                body = await self._read_body(scope, receive)
                reading = False
                await self._app(scope, _replay(body, receive), send)
        except TooLargeError:
            return problem(413, f"the body is larger than {self._limits.max_body:,} bytes")
        except BusyError as error:
            return problem(503, str(error), {"Retry-After": str(error.retry_after)})
        except ClosingError as error:
            return problem(503, str(error), {"Retry-After": "1", "Connection": "close"})
        except asyncio.CancelledError:  # the time to shut down has run out
            return problem(503, str(ClosingError()), {"Connection": "close"})
        if not time_limit.cancelled_caught:
            return None
        if reading:
            return problem(408, "the body did not arrive in time", {"Connection": "close"})
        return problem(504, f"no response within {self._limits.timeout:g} s: ask for fewer images")

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        """Reads the whole body, unless it is too large."""
        limit = self._limits.max_body or 0
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > limit:
                raise TooLargeError
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b""
            body += message.get("body", b"")
            if len(body) > limit:
                raise TooLargeError
            if not message.get("more_body", False):
                return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Returns the body again, in chunks, so that other requests run while it is parsed."""
    sent = 0

    async def replayed() -> Message:
        nonlocal sent
        if sent > len(body) or (sent and sent == len(body)):
            return await receive()
        part = body[sent : sent + _CHUNK]
        if sent:
            await asyncio.sleep(0)
        sent += max(1, len(part))
        return {"type": "http.request", "body": part, "more_body": sent < len(body)}

    return replayed
