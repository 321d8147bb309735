"""The bodies of responses: images, and errors."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from tfgan2.errors import UserError
from tfgan2.images import encode_grid, encode_png, is_points, sample_arrays, to_pil, to_uint8

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
    if accept is None or not accept.strip():
        return media_types[0]
    best, best_quality = None, 0.0
    for item in accept.lower().split(","):
        pattern, *parameters = (part.strip() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            if found := re.fullmatch(r"q\s*=\s*(.*)", parameter):
                valid = re.fullmatch(r"[01](\.[0-9]{0,3})?", found[1])
                quality = float(found[1]) if valid else 0.0
        matches = [
            media_type
            for media_type in media_types
            if pattern in ("*/*", media_type, f"{media_type.partition('/')[0]}/*")
        ]
        if matches and quality > best_quality:
            best, best_quality = matches[0], quality
    if best is None:
        raise HTTPException(406, f"this address answers with {', '.join(media_types)}")
    return best


def encode(
    media_type: str,
    images: np.ndarray,
    latents: np.ndarray,
    labels: np.ndarray | None,
    columns: int | None,
) -> bytes:
    """Encodes generated images. As a PNG, one image is that image, and several are a grid.

    The same arguments give the same bytes: no file in it has a date. The arguments are those of
    `tfgan2.images.save_samples`.
    """
    if not np.isfinite(images).all():
        raise UserError("the images of these latents are not finite")
    if media_type == PNG:
        if len(images) == 1 and not is_points(images.shape):
            return encode_png(to_pil(to_uint8(images[0])), fast=True)
        return encode_grid(images, columns=columns, fast=True)
    buffer = io.BytesIO()
    if media_type != ZIP:
        np.savez(buffer, allow_pickle=False, **sample_arrays(images, latents, labels))
        return buffer.getvalue()
    digits = max(5, len(str(len(images) - 1)))
    with zipfile.ZipFile(buffer, "w") as archive:
        for index, image in enumerate(to_uint8(images)):
            content = encode_png(to_pil(image), fast=True)
            archive.writestr(zipfile.ZipInfo(f"{index:0{digits}d}.png"), content)
    return buffer.getvalue()
