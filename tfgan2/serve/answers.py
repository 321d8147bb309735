"""Images become the bytes of an answer."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence

import numpy as np

from tfgan2.errors import UserError
from tfgan2.images import (
    encode_grid,
    encode_png,
    is_points,
    sample_arrays,
    to_pil,
    to_uint8,
)

PNG, ZIP, NPZ, BYTES = (
    "image/png",
    "application/zip",
    "application/x-npz",
    "application/octet-stream",
)
KINDS = (PNG, ZIP, NPZ, BYTES)

_QUALITY = re.compile(r"[01](\.[0-9]{0,3})?")


class NotAcceptableError(Exception):
    """Nothing that the client accepts can be made."""


def wanted(accept: str | None, kinds: Sequence[str] = KINDS) -> str:
    """The kind of answer that an Accept header asks for.

    Args:
        accept: the header's value, None where there is none.
        kinds: what can be made, the default first.

    Raises:
        NotAcceptableError: none of them.
    """
    if accept is None or not accept.strip():
        return kinds[0]
    best, best_quality = None, 0.0
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = float(value) if _QUALITY.fullmatch(value.strip()) else 0.0
        found = next((kind for kind in kinds if _matches(kind, name)), None)
        if found is not None and quality > best_quality:
            best, best_quality = found, quality
    if best is None:
        raise NotAcceptableError(f"this address answers with {', '.join(kinds)}")
    return best


def _matches(kind: str, pattern: str) -> bool:
    return pattern in ("*/*", kind, f"{kind.partition('/')[0]}/*")


def encode(
    kind: str,
    images: np.ndarray,
    latents: np.ndarray,
    labels: np.ndarray | None,
    columns: int | None,
) -> bytes:
    """Generated images as a file. One image as a PNG is that image, several are a grid.

    The same arguments give the same bytes: no file in it has a date.

    Args:
        kind: one of KINDS.
        images: in [-1, 1], shape (N, H, W, C), or points, shape (N, 1, 1, 2).
        latents: what they were made of, shape (N, dim).
        labels: shape (N,), or None.
        columns: of a grid.

    Raises:
        UserError: points as single pictures, or values that are not finite.
    """
    if not np.isfinite(images).all():
        raise UserError("the model makes no finite image of these latents")
    buffer = io.BytesIO()
    if kind == ZIP:
        if is_points(images.shape):
            raise UserError("points make no pictures one by one: ask for a PNG or an .npz")
        digits = max(5, len(str(len(images) - 1)))
        with zipfile.ZipFile(buffer, "w") as archive:
            for index, image in enumerate(to_uint8(images)):
                content = encode_png(to_pil(image), fast=True)
                archive.writestr(zipfile.ZipInfo(f"{index:0{digits}d}.png"), content)
        return buffer.getvalue()
    if kind != PNG:
        np.savez(buffer, allow_pickle=False, **sample_arrays(images, latents, labels))
        return buffer.getvalue()
    if len(images) == 1 and not is_points(images.shape):
        return encode_png(to_pil(to_uint8(images[0])), fast=True)
    return encode_grid(images, columns=columns, fast=True)
