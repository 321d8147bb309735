"""The limits of a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tfgan2.errors import UserError


def limit(default: float | None, help: str, **arguments: Any) -> Any:
    """Declares a limit: `tfgan2 serve` gives the help and the arguments to `typer.Option`."""
    return field(default=default, metadata={"help": help, **arguments})


@dataclass(frozen=True)
class Limits:
    """The limits of a server, one per option of `tfgan2 serve`.

    `tfgan2 serve --help` says what each limits, docs/serve.md how the server answers beyond it.
    """

    max_batch: int = limit(32, "Images per run of the model.", min=1, max=256)
    max_wait_ms: float = limit(
        2.0, "Milliseconds a request waits for others to share its batch.", min=0
    )
    max_queue: int = limit(256, "Images in the server at once; beyond it 503.", min=1)
    max_count: int = limit(64, "Images per request; beyond it 422.", min=1)
    max_body: int | None = limit(
        None,
        "Bytes per request; beyond it 413.",
        min=1,
        show_default="what the largest request needs; 16 MiB for uploads",
    )
    max_pixels: int = limit(40_000_000, "Pixels of an uploaded image; beyond it 413.", min=1)
    max_made_pixels: int = limit(
        2048 * 2048, "Pixels of an output, where sizes are free; beyond it 413.", min=1
    )
    timeout: float = limit(30.0, "Seconds per request; beyond it 504.", min=0.001)
    drain_delay: float = limit(
        0.0, "Seconds after SIGTERM in which new requests are still taken.", min=0
    )
    drain_timeout: float = limit(
        30.0, "Seconds after --drain-delay to finish requests in progress.", min=0
    )

    def __post_init__(self) -> None:
        if self.max_queue < self.max_count:
            raise UserError(
                f"--max-queue {self.max_queue} has no room for the {self.max_count} images of one "
                "request: raise it, or lower --max-count"
            )
