"""The process of a server: its socket, uvicorn, and how it shuts down."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tfgan2.errors import UserError
from tfgan2.serve.app import create_app
from tfgan2.serve.limits import Limits
from tfgan2.serve.service import Service

MAX_HEAD_BYTES = 64 << 10
HEAD_SECONDS = 10.0
LAST_SECONDS = 2  # for responses that are being sent when the time has run out


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
    # Bound before the model is loaded and tried out, which may take a while.
    with _bind(host, port) as bound:
        app = create_app(path, limits, threads=threads, ort_web=ort_web)
        service: Service = app.state.service
        config = uvicorn.Config(
            app,
            host=host,
            http=_Protocol,
            ws="none",
            log_level="info" if access_log else "warning",
            access_log=access_log,
            server_header=False,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
        _Server(config, service).run(sockets=[bound])
    if service.batches.batch:
        # The model's thread cannot be stopped, and Python would wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _bind(host: str, port: int) -> socket.socket:
    """Returns a socket that listens; connections wait until the model is loaded."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, number, _, address = found[0]
        with contextlib.ExitStack() as unless_bound:
            bound = unless_bound.enter_context(socket.socket(family, kind, number))
            if os.name == "posix":  # elsewhere it would let two servers share a port
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen()  # on Linux two sockets can be bound to a port, but only one can listen
            unless_bound.pop_all()
    except (OSError, UnicodeError) as error:  # UnicodeError: an empty or too long label in the host
        reason = f"{getattr(error, 'strerror', None) or error}; give another --host or --port"
        raise UserError(f"cannot serve at {host} port {port}: {reason}") from error
    return bound


class _Server(uvicorn.Server):
    """Shuts down in three steps: not ready, then closed to new requests, then gone."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._signalled: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.config.host, self.servers[0].sockets[0].getsockname()[1]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        batch = f"batches of up to {self._service.batches.max_batch}"
        print(f"{self._service.path} at {address} ({batch}; Ctrl-C ends it)", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drains at the first signal, exits at the second. Uvicorn's own kills the process."""
        if self._signalled is not None:
            self._signalled = float("-inf")
            return
        self._signalled = time.monotonic()
        self._service.batches.draining = True
        name = signal.Signals(sig).name
        print(f"{name}: finishing requests in progress (a second one exits now)", file=sys.stderr)

    async def on_tick(self, counter: int) -> bool:
        if self._signalled is not None and not self.should_exit:
            waited = time.monotonic() - self._signalled - self._service.limits.drain_delay
            if waited >= 0:
                self._service.batches.closed = True
                late = waited >= self._service.limits.drain_timeout
                if late and (aborted := self._service.batches.abandon()):
                    print(f"{aborted} requests were aborted", file=sys.stderr)
                    await asyncio.sleep(0.1)  # for their responses
                self.should_exit = late or not self._service.batches.requests
        for connection in list(self.server_state.connections):
            # All are of this class; uvicorn's type names those it could be.
            if time.monotonic() - connection.head_since > HEAD_SECONDS:  # type: ignore[union-attr]
                connection.transport.close()
        return await super().on_tick(counter)


class _Protocol(HttpToolsProtocol):
    """Limits the head of a request in size, which httptools and uvicorn do not, and times it."""

    head_since = math.inf  # while a head arrives, the time when it began
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.head_since = time.monotonic()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head_since = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self._head_bytes = self._head_bytes + len(data) if self.head_since < math.inf else 0
        super().data_received(data)
        too_large = self.head_since < math.inf and self._head_bytes > MAX_HEAD_BYTES
        if too_large and not self.transport.is_closing():
            self.send_400_response("Request head too large.")

    def on_headers_complete(self) -> None:
        self.head_since = math.inf
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) + size > MAX_HEAD_BYTES:
            raise ValueError("head too large")  # httptools turns it into an error of the request
        super().on_headers_complete()
