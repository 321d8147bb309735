"""`tfgan2 launch`: several processes of one command on this machine."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from tfgan2.errors import UserError


def launch(
    words: Annotated[
        list[str],
        typer.Argument(metavar="-- fit …", help="Command of each process.", show_default=False),
    ],
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 2,
    port: Annotated[
        int | None,
        typer.Option(min=1024, max=65_000, help="First port.", show_default="free ports"),
    ] = None,
) -> None:
    """Train with several processes on this machine."""
    from tfgan2.distributed import launcher

    if words[0] != "fit":
        raise UserError("launch only starts fit: give `tfgan2 launch --workers 2 -- fit dcgan …`")
    if os.environ.get("TF_CONFIG"):
        raise UserError("TF_CONFIG is set already: on several machines, start `tfgan2 fit` on each")
    if not {word.partition("=")[0] for word in words} & {"--out", "--resume"}:
        raise UserError("no run directory for all workers: give `fit` --out")
    program = "from tfgan2.cli import main; main()"  # of this Python, whatever PATH says
    command = [sys.executable, "-c", program, *words]
    raise typer.Exit(launcher.run(command, launcher.addresses(workers, port)))
