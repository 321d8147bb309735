"""The process: a socket, the model, uvicorn, and how it ends."""

from __future__ import annotations

import asyncio
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
from tfgan2.serve.app import make_app
from tfgan2.serve.batches import Batches
from tfgan2.serve.limits import Limits
from tfgan2.serve.models import open_model
from tfgan2.web import ort

MOST_HEAD = 64 << 10
HEAD_SECONDS = 10.0
LAST_SECONDS = 2  # for answers that are on their way when the time has run out


def run(
    path: Path,
    *,
    host: str,
    port: int,
    limits: Limits,
    threads: int | None,
    ort_web: str | Path | None,
    access_log: bool,
) -> None:
    """Serves a file until a signal; the arguments and errors are those of `serve.serve`."""
    page_runtime = None if ort_web is None else ort.find(Path(ort_web))
    bound = _bind(host, port)  # before the model is loaded and tried out, which may take a while
    with bound:
        served = open_model(path, limits, threads=threads)
        app = make_app(served, page_runtime)
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            log_level="info" if access_log else "warning",
            access_log=access_log,
            server_header=False,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
        server = _Server(config, app.state.work.batches, limits)
        shown = f"[{host}]" if ":" in host else host
        server.announcement = (
            f"{path} at http://{shown}:{bound.getsockname()[1]}/ "
            f"(batches of up to {served.limits.max_batch}; Ctrl-C ends it)"
        )
        server.run(sockets=[bound])
    if app.state.work.batches.running:
        # The model's thread cannot be stopped, and Python would wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _bind(host: str, port: int) -> socket.socket:
    """A socket that does not listen yet."""
    bound = None
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, number)
        if os.name == "posix":  # elsewhere it would let two servers have one port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        return bound
    except OSError as error:
        if bound is not None:
            bound.close()
        raise UserError(
            f"cannot serve at {host} port {port}: {error.strerror or error}; give another --host "
            "or --port"
        ) from error


class _Server(uvicorn.Server):
    """Ends in three steps: not ready, then closed to new requests, then gone."""

    def __init__(self, config: uvicorn.Config, batches: Batches, limits: Limits) -> None:
        super().__init__(config)
        self.announcement = ""
        self._batches = batches
        self._limits = limits
        self._asked: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self.announcement, flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A first signal drains, a second ends it. Uvicorn's own would end the process by it."""
        if self._asked is None:
            self._asked = time.monotonic()
            self._batches.draining = True
            print(
                f"{signal.Signals(sig).name}: ending what is in progress (again: at once)",
                file=sys.stderr,
            )
        else:
            self._asked = float("-inf")

    async def on_tick(self, counter: int) -> bool:
        if self._asked is not None and not self.should_exit:
            waited = time.monotonic() - self._asked
            if waited >= self._limits.drain_delay:
                self._batches.closed = True
                late = waited >= self._limits.drain_delay + self._limits.drain_timeout
                if late and (cut := self._batches.abandon()):
                    print(f"{cut} requests were cut off", file=sys.stderr)
                    await asyncio.sleep(0.1)  # for their answers
                self.should_exit = late or not self._batches.requests
        return await super().on_tick(counter)


class _Protocol(HttpToolsProtocol):
    """Bounds a request's head, in size and in time: httptools and uvicorn take any."""

    _head = 0
    _in_head = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) + size > MOST_HEAD:
            raise ValueError("head too large")  # httptools makes it an error of the request
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._head = 0

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
