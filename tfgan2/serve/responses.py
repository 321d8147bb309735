"""What the addresses of images share: media types, and how errors are described."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
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
    choices = []
    for item in ((accept or "").strip() or "*/*").lower().split(","):
        pattern, parameters = parse_options_header(item)
        quality = parameters.get(b"q", b"1")
        value = float(quality) if re.fullmatch(rb"[01](\.[0-9]{0,3})?", quality) else 0.0
        for media_type in media_types:
            either = ("*/*", media_type, f"{media_type.partition('/')[0]}/*")
            if pattern.decode("latin-1") in either:
                choices.append((value, media_type))
    best, media_type = max(choices, key=itemgetter(0), default=(0.0, ""))  # the first of equals
    if not best:
        raise HTTPException(406, f"this address answers with {', '.join(media_types)}")
    return media_type
