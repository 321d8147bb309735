"""What the addresses of images share: media types, and how errors are described."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException

PNG, ZIP, NPZ = "image/png", "application/zip", "application/x-npz"
MEDIA_TYPES = (PNG, ZIP, NPZ, "application/octet-stream")
BINARY = {"schema": {"type": "string", "format": "binary"}}


class Problem(BaseModel):
    """The reason why a request failed."""

    detail: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "The body cannot be read.",
        406: "`Accept` names no media type that this address returns.",
        408: "The body did not arrive in time.",
        413: "The body, or an image in it, is too large.",
        422: "The request is invalid; `detail` says why.",
        503: "Too many requests at once, or the server is shutting down. See `Retry-After`.",
        504: "No response in time.",
    }.items()
}


def negotiate(accept: str | None, media_types: Sequence[str] = MEDIA_TYPES) -> str:
    """Returns the media type that an Accept header prefers; the first one is the default."""
    qualities: dict[str, float] = {}
    for item in ((accept or "").strip() or "*/*").lower().split(","):
        pattern, parameters = parse_options_header(item)
        quality = parameters.get(b"q", b"1")
        value = float(quality) if re.fullmatch(rb"[01](\.[0-9]{0,3})?", quality) else 0.0
        qualities[pattern.decode("latin-1")] = value
    choices = {}
    for media_type in media_types:
        patterns = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
        # The most specific pattern counts, whatever a wider one allows.
        choices[media_type] = next((qualities[p] for p in patterns if p in qualities), 0.0)
    best = max(choices, key=choices.__getitem__)  # the first of equals
    if not choices[best]:
        allowed = ", ".join(media_types)
        raise HTTPException(406, f"Accept names no type that this address returns: {allowed}")
    return best
