"""`tfgan2 watch`: shows a run in a browser while it trains."""

from __future__ import annotations

import contextlib
import webbrowser
from typing import Annotated

import typer

from tfgan2.cli.options import local


def watch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run directory.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8001,
    browser: Annotated[bool, typer.Option("--browser", help="Open the page in a browser.")] = False,
) -> None:
    """Show a run in a browser while it trains; only this machine reaches the page."""
    from tfgan2.report.watching import Server

    with Server(local(run), port) as server, contextlib.suppress(KeyboardInterrupt):
        print(f"{server.url} shows {run}; Ctrl-C ends this", flush=True)
        if browser:
            webbrowser.open(server.url)
        server.serve_forever()
