"""The limits of a server."""

from __future__ import annotations

from dataclasses import dataclass

from tfgan2.errors import UserError


@dataclass(frozen=True)
class Limits:
    """The limits of a server; docs/serve.md says how it answers beyond them.

    Attributes:
        max_batch: images that the model makes at once.
        max_wait_ms: milliseconds that a request waits for others to share its batch.
        max_queue: images in the server at once, from a request's arrival to its response.
        max_count: images of one request.
        max_body: bytes of a request's body; None for what the largest request of the file needs.
        max_pixels: pixels of an uploaded image.
        max_made_pixels: pixels of an output image, where the size is free.
        timeout: seconds from a request's head to its response.
        drain_delay: seconds after SIGTERM during which new requests are still taken.
        drain_timeout: seconds after that to finish the requests in progress.
    """

    max_batch: int = 32
    max_wait_ms: float = 2.0
    max_queue: int = 256
    max_count: int = 64
    max_body: int | None = None
    max_pixels: int = 40_000_000
    max_made_pixels: int = 2048 * 2048
    timeout: float = 30.0
    drain_delay: float = 0.0
    drain_timeout: float = 30.0

    def __post_init__(self) -> None:
        if self.max_queue < self.max_count:
            raise UserError(
                f"--max-queue {self.max_queue} has no room for the {self.max_count} images of one "
                "request: raise it, or lower --max-count"
            )
