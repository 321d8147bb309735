"""The address of a translator: POST /translate."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from PIL import Image
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from tfgan2.errors import UserError
from tfgan2.images import encode_png
from tfgan2.images.files import TooManyPixelsError, UnreadableImageError, open_image
from tfgan2.runtime import Translator
from tfgan2.runtime.translator import finish, middle_mask
from tfgan2.serve.responses import BINARY, PNG, PROBLEMS, Problem, negotiate, problem
from tfgan2.serve.service import Service

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


class _NoUploadError(Exception):
    """A body of another type."""


_STATUSES: dict[type[Exception], int] = {
    MultiPartException: 400,
    FormParserError: 400,
    TooManyPixelsError: 413,
    _NoUploadError: 415,
    UnreadableImageError: 422,
}


def make_router(service: Service, translator: Translator) -> APIRouter:
    """Returns the address of a translator."""
    router = APIRouter()
    limits = service.served.limits

    def decode(upload: bytes, mask: bytes | None) -> tuple[np.ndarray, np.ndarray | None]:
        image = _open(upload, "image", limits.max_pixels)
        pixels = image.width * image.height * translator.scale**2
        if translator.size is None and pixels > limits.max_made_pixels:
            raise TooManyPixelsError(
                f"an image of {image.width}x{image.height} pixels gives one of {pixels:,}, more "
                f"than the {limits.max_made_pixels:,} allowed"
            )
        if not translator.takes_mask:
            if mask is not None:
                raise UserError("this file takes no mask: leave it out")
            return translator.prepare(image)
        hidden = middle_mask(image) if mask is None else _open(mask, "mask", limits.max_pixels)
        return translator.prepare(image, hidden)

    def encode(output: np.ndarray, pixels: np.ndarray, hidden: np.ndarray | None) -> bytes:
        if not np.isfinite(output).all():
            raise UserError("the output for this image is not finite")
        return encode_png(finish(output, pixels, hidden), fast=True)

    mask_help = " The mask has the image's size, white where to fill; default: the middle."

    @router.post(
        "/translate",
        summary="An image from an image",
        description="Send the image as `multipart/form-data` or as the body; the response is a PNG."
        + (mask_help if translator.takes_mask else ""),
        response_class=Response,
        responses={
            200: {"content": {PNG: BINARY}},
            415: {"model": Problem, "description": "The body is neither a form nor an image."},
            **PROBLEMS,
        },
        openapi_extra={"requestBody": {"required": True, "content": _content(translator)}},
    )
    async def translate(request: Request) -> Response:
        negotiate(request.headers.get("accept"), (PNG,))
        try:
            upload, mask = await _uploads(request, limits.max_body or 0)
            with service.batches.hold(1):
                pixels, hidden = await service.in_thread(decode, upload, mask)
                inputs = {"images": pixels[None]}
                if hidden is not None:
                    inputs["masks"] = hidden[None]
                (output,) = await service.batches.compute(inputs)
                content = await service.in_thread(encode, output, pixels, hidden)
        except tuple(_STATUSES) as error:
            status = next(code for kind, code in _STATUSES.items() if isinstance(error, kind))
            prefix = "the form cannot be read: " if status == 400 else ""
            return problem(status, f"{prefix}{error}")
        return Response(content, media_type=PNG)

    return router


async def _uploads(request: Request, max_body: int) -> tuple[bytes, bytes | None]:
    """Returns the image, and the mask if there is one, of a request."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        return await request.body(), None
    if media_type != "multipart/form-data":
        raise _NoUploadError("send multipart/form-data with `image`, or an image as the body")
    parser = MultiPartParser(request.headers, request.stream(), max_files=2, max_fields=0)
    parser.spool_max_size = max_body  # it is in memory already: no file is needed
    form = await parser.parse()
    try:
        uploads: dict[str, bytes] = {}
        for name, value in form.multi_items():
            if name not in ("image", "mask") or name in uploads:
                raise UserError("give one `image`, and one `mask` at most")
            if isinstance(value, UploadFile):
                uploads[name] = await value.read()
    finally:
        await form.close()
    if not uploads.get("image"):
        raise UserError("the form has no file `image`")
    return uploads["image"], uploads.get("mask") or None  # a browser sends an empty file for none


def _open(content: bytes, name: str, max_pixels: int) -> Image.Image:
    try:
        return open_image(content, formats=FORMATS, most_pixels=max_pixels)
    except UnreadableImageError as error:
        raise type(error)(f"{name}: {error}") from error


def _content(translator: Translator) -> dict[str, Any]:
    """Returns the body of a request in OpenAPI."""
    file = BINARY["schema"]
    names = ("image", "mask") if translator.takes_mask else ("image",)
    form = {
        "type": "object",
        "properties": dict.fromkeys(names, file),
        "required": ["image"],
        "additionalProperties": False,
    }
    images = {f"image/{kind}": BINARY for kind in ("png", "jpeg", "webp")}
    return {"multipart/form-data": {"schema": form}, **images}
