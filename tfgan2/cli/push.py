"""`tfgan2 push`: uploads a bundle to Hugging Face's hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfgan2 import runs
from tfgan2.cli.options import quoted
from tfgan2.export import hub


def push(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|BUNDLE", help="A bundle of `tfgan2 export`, or a run that has one."
        ),
    ],
    repo: Annotated[str, typer.Option(help="Repository: OWNER/NAME, or NAME of your own.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository visible to its owner alone.")
    ] = False,
) -> None:
    """Upload a bundle and its model card to Hugging Face's hub."""
    bundle = source / "export" / "bundle" if runs.is_run(source) else source
    url = hub.push(bundle, repo, private=private)
    print(f"{bundle}: uploaded to {url}")
    print(f"Next:\n  tfgan2 pull {quoted('/'.join(url.split('/')[-2:]))}")
