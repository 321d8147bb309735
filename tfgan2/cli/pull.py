"""`tfgan2 pull`: downloads a bundle from Hugging Face's hub, or copies one of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfgan2 import runtime
from tfgan2.cli.options import quoted
from tfgan2.export import hub
from tfgan2.runtime.shipped import PREFIX, located


def pull(
    repo: Annotated[
        str,
        typer.Argument(help="Repository: OWNER/NAME; or pretrained:digits.", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files; default: the repository's name.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit.")] = None,
) -> None:
    """Download a generator from Hugging Face's hub and check it; nothing of it is run."""
    if out is None:
        shipped = repo.startswith(PREFIX)
        out = Path(located(repo).parent.name if shipped else repo.rpartition("/")[2])
    files = hub.pull(repo, out, revision=revision)
    print(f"{files[0].parent}: {len(files)} files, as their sha256 says. Next:")
    for file in files:
        takes = {item["name"] for item in runtime.read_metadata(file)["inputs"]}
        if "z" in takes:
            print(f"  tfgan2 generate {quoted(file)} --out {file.suffix[1:]}.png")
        elif "input" in takes:
            print(f"  tfgan2 translate {quoted(file)} --input IMAGES --out {file.suffix[1:]}")
