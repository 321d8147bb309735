"""What stands before every request: how many, how large, how long; and what is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
from starlette.responses import JSONResponse

from tfgan2.serve.batches import Batches, BusyError, ClosingError
from tfgan2.serve.limits import Limits
from tfgan2.serve.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_CHUNK = 1 << 18


class TooLargeError(Exception):
    """A body is larger than allowed."""


class Gate:
    """ASGI middleware.

    A request for images must find room, and its body and its answer must come within the time. The
    others, such as health, pass freely.
    """

    def __init__(
        self,
        app: App,
        *,
        batches: Batches,
        limits: Limits,
        metrics: Metrics,
        work: frozenset[str],
        known: frozenset[str],
    ) -> None:
        """
        Args:
            app: what stands behind.
            batches: says whether there is room.
            limits: of size and time.
            metrics: told of each request.
            work: the paths that make images.
            known: all paths; any other is counted as "other".
        """
        self._app = app
        self._batches = batches
        self._limits = limits
        self._metrics = metrics
        self._work = work
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"]
        try:
            if path in self._work:
                answer = await self._guarded(scope, receive, noting)
                if answer is not None and not status:
                    await answer(scope, receive, noting)
            else:
                await self._app(scope, receive, noting)
        finally:
            route = path if path in self._known else "other"
            method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
            self._metrics.requests.labels(route, method, str(status or 500)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> JSONResponse | None:
        """Lets a request for images pass; returns what is answered where it may not."""
        reading = True
        try:
            with (
                self._batches.request(),
                anyio.move_on_after(self._limits.timeout) as time_limit,
            ):
                body = await self._body(scope, receive)
                reading = False
                await self._app(scope, _replay(body, receive), send)
        except TooLargeError:
            size = self._limits.max_body or 0
            return problem(413, f"the body is larger than the {size:,} bytes allowed")
        except BusyError as error:
            return problem(503, str(error), {"Retry-After": str(error.retry_after)})
        except ClosingError as error:
            return problem(503, str(error), {"Retry-After": "1", "Connection": "close"})
        except asyncio.CancelledError:  # the time to go down has run out
            return problem(503, "this server is going down: try again", {"Connection": "close"})
        if time_limit.cancelled_caught:
            if reading:
                return problem(408, "the body did not come in time", {"Connection": "close"})
            return problem(504, f"no answer within {self._limits.timeout:g} s: ask for less")
        return None

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body; none of it once it is known to be too large."""
        most = self._limits.max_body or 0
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > most:
                raise TooLargeError
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b""
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                raise TooLargeError
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body again, in pieces, so that parsing one leaves room for other requests."""
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


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error as all addresses answer it."""
    return JSONResponse({"detail": detail}, status, headers)
