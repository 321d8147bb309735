"""`tfgan2 prepare`: packs a folder of images into shards."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from tfgan2 import remote
from tfgan2.cli.options import given, with_declared
from tfgan2.errors import UserError
from tfgan2.options import DataOptions


@with_declared(DataOptions, only=("skip_unreadable", "value_range"))
def prepare(
    source: Annotated[
        str, typer.Argument(metavar="folder:DIR", help="The folder of images.", show_default=False)
    ],
    out: Annotated[
        str, typer.Option(metavar="FILE", help="The index; the shards are written beside it.")
    ],
    image_size: Annotated[
        str | None,
        typer.Option(
            help="Crop and resize to this, as for fit, and store the pixels.",
            show_default="files as they are",
            metavar="N|HxW",
        ),
    ] = None,
    shard_mb: Annotated[int, typer.Option(min=1, help="Approximate size of a shard in MB.")] = 256,
    **options: Any,
) -> None:
    """Pack a folder of images into shards that read fast."""
    from tfgan2.data.prepared import pack
    from tfgan2.data.request import Request
    from tfgan2.training.progress import Display

    if not source.startswith("folder:"):
        raise UserError(f"prepare packs a folder of images: give folder:{source}")
    if remote.is_remote(out):
        raise UserError(f"prepare writes to this machine, not to {out}: give a local file")
    display = Display()
    path = Path(out).expanduser()
    with contextlib.closing(display):
        request = Request(source, image_size=image_size, progress=display.loading, **given(options))
        index, _ = pack(request, path, shard_bytes=shard_mb * 10**6)
    megabytes = sum(shard.bytes for shard in index.shards) / 1e6
    classes = f" of {len(index.class_names)} classes" if index.class_names else ""
    rest = f", {index.held_out:,} of them held out" if index.held_out else ""
    display.say(
        f"files: {index.survey}\n"
        f"{path}: {index.num_images:,} images{classes}{rest}, {megabytes:,.1f} MB in "
        f"{len(index.shards)} shards\nnext:\n"
        f"  tfgan2 fit dcgan --dataset {shlex.quote(f'prepared:{path}')}"
    )
