"""The address of a translator: POST /translate."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from PIL import Image
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from tfgan2.errors import UserError
from tfgan2.images import encode_png
from tfgan2.images.files import (
    TooManyPixelsError,
    UnknownFormatError,
    UnreadableImageError,
    open_image,
)
from tfgan2.images.formats import common_formats
from tfgan2.runtime import Translator
from tfgan2.runtime.translator import finish
from tfgan2.serve.responses import BINARY, PNG, PROBLEMS, Problem, negotiate
from tfgan2.serve.service import Service


def add_addresses(app: FastAPI, service: Service, translator: Translator) -> None:
    """Adds the address of a translator to an application."""
    limits, formats = service.limits, common_formats()

    def opened(name: str, content: bytes) -> Image.Image:
        try:
            kinds = tuple(formats)
            return open_image(content, kinds=kinds, most_pixels=limits.max_pixels)
        except UnknownFormatError as error:
            taken = ", ".join(formats.values())
            raise UserError(f"{name}: {error}; send one of {taken}") from error
        except UnreadableImageError as error:
            status = 413 if isinstance(error, TooManyPixelsError) else 422
            raise HTTPException(status, f"{name}: {error}") from error

    def decode(
        image: bytes, mask: bytes | None = None, invert_mask: bool | None = None
    ) -> dict[str, np.ndarray]:
        source = opened("image", image)
        height, width = translator.padded_size(source.height, source.width)
        pixels = height * width * translator.scale**2
        if translator.size is None and pixels > limits.max_made_pixels:
            padded = f", padded to {width}x{height}," if (width, height) != source.size else ""
            raise HTTPException(
                413,
                f"an image of {source.width}x{source.height} pixels{padded} gives one of "
                f"{pixels:,}, more than the {limits.max_made_pixels:,} allowed",
            )
        marks = opened("mask", mask) if mask else None
        return translator.prepare(source, marks, invert_mask=invert_mask)

    def encode(output: np.ndarray, inputs: dict[str, np.ndarray]) -> bytes:
        if not np.isfinite(output).all():
            raise UserError("the output for this image is not finite")
        return encode_png(finish(output, **inputs), fast=True)

    properties = {"image": BINARY["schema"]}
    if translator.takes_mask:
        properties |= {"mask": BINARY["schema"], "invert_mask": {"type": "boolean"}}
    form = {
        "type": "object",
        "properties": properties,
        "required": ["image"],
        "additionalProperties": False,
    }
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    content |= {Image.MIME[kind]: BINARY for kind in formats}
    mask_help = (
        " The mask has the image's size and marks what to fill; default: the middle. invert_mask "
        "fills the rest; a mask that marks more than half needs it, true or false."
    )

    @app.post(
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
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    async def translate(request: Request) -> Response:
        negotiate(request.headers.get("accept"), (PNG,))
        uploads = await _uploads(request, service.max_body)
        with service.batches.hold(1):
            inputs = await run_in_threadpool(decode, **uploads)
            output = await service.batches.compute(inputs)
            content = await run_in_threadpool(encode, output, inputs)
        return Response(content, media_type=PNG)


async def _uploads(request: Request, max_body: int) -> dict[str, Any]:
    """Returns the `image` of a request, and the `mask` and `invert_mask` if there are any."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        return {"image": await request.body()}
    if media_type != "multipart/form-data":
        raise HTTPException(
            415,
            "send multipart/form-data with the file `image` (with curl: -F image=@FILE), or an "
            "image as the body with its content type",
        )
    parser = MultiPartParser(request.headers, request.stream(), max_files=2, max_fields=2)
    parser.spool_max_size = max_body  # it is in memory already: no file is needed
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        raise HTTPException(400, f"the form cannot be read: {error}") from error
    fields = form.multi_items()
    uploads: dict[str, Any] = {}
    for name, file in fields:
        if name == "invert_mask":
            if file not in ("true", "false"):
                raise UserError("`invert_mask` must be true or false")
            uploads[name] = file == "true"
            continue
        if name not in ("image", "mask"):
            raise UserError(
                f"unknown field {name[:40]!r}: send the image as `image`, and a mask as `mask`"
            )
        if not isinstance(file, UploadFile):
            raise UserError(f"`{name}` is a text: send it as a file (with curl: -F {name}=@FILE)")
        if content := await file.read():  # a browser sends an empty file for none
            uploads[name] = content
    if len(dict(fields)) < len(fields):
        raise UserError("give one `image`, and one `mask` and `invert_mask` at most")
    if "image" not in uploads:
        raise UserError("the form has no file `image`")
    return uploads
