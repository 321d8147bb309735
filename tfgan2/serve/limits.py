"""The limits of a server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tfgan2.errors import UserError
from tfgan2.options import Options, option

_option = partial(option, panel="Limits")


@dataclass(frozen=True)
class Limits(Options):
    """The limits of a server, one per option of `tfgan2 serve`.

    `tfgan2 serve --help` says what each limits, docs/serve.md how the server answers beyond it.
    """

    max_batch: int = _option(32, "Images per run of the model.", at_least=1, at_most=256)
    max_wait_ms: float = _option(2.0, "Milliseconds a request waits for others to share its batch.")
    max_queue: int = _option(256, "Images in the server at once; beyond it 503.", at_least=1)
    max_count: int = _option(64, "Images per request; beyond it 422.", at_least=1)
    max_body: int | None = _option(
        None,
        "Bytes per request; beyond it 413.",
        at_least=1,
        shown="what the largest request needs; 16 MiB for uploads",
    )
    max_pixels: int = _option(40_000_000, "Pixels of an uploaded image; beyond it 413.", at_least=1)
    max_made_pixels: int = _option(
        2048 * 2048, "Pixels of an output, where sizes are free; beyond it 413.", at_least=1
    )
    timeout: float = _option(30.0, "Seconds per request; beyond it 504.", at_least=0.001)
    drain_delay: float = _option(0.0, "Seconds to take new requests after SIGTERM.")
    drain_timeout: float = _option(
        30.0, "Seconds after --drain-delay to finish requests in progress."
    )

    def __post_init__(self) -> None:
        self.check()
        if self.max_queue < self.max_count:
            raise UserError(
                f"--max-queue {self.max_queue} has no room for the {self.max_count} images of one "
                "request: raise it, or lower --max-count"
            )
