"""Serves the report of a run on this machine, always as new as the run."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tfgan2.errors import UserError
from tfgan2.report import Report, encoded


class Server(ThreadingHTTPServer):
    """Answers `/` with the report, and `/version` with a text that changes when it does.

    Only this machine reaches it.
    """

    daemon_threads = True

    def __init__(self, run_dir: Path, port: int) -> None:
        """Reads the run, and binds the port; 0 for a free one.

        Raises:
            UserError: no such run, or the port is in use.
        """
        self.report, self.rendering = Report(run_dir), threading.Lock()
        self.report.render()
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise UserError(
                f"port {port} cannot be used: {error.strerror}: give another --port, or 0"
            ) from error

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        report = self.server.report
        path = self.path.partition("?")[0]
        try:
            if path == "/":
                with self.server.rendering:
                    self._answer(200, report.render(live=True), "text/html; charset=utf-8")
            elif path == "/version":
                self._answer(200, report.version(), "text/plain")
            else:
                self._answer(404, "not found", "text/plain")
        except UserError as error:  # the run was removed
            self._answer(500, str(error.args[0]), "text/plain")

    def _answer(self, status: int, text: str, kind: str) -> None:
        content = encoded(text)
        with contextlib.suppress(ConnectionError):  # a browser may leave before it has read all
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Logs nothing: a page asks every two seconds."""
