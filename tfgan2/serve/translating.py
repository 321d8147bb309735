"""The address of a network that makes images of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from tfgan2.errors import UserError
from tfgan2.images import encode_png
from tfgan2.images.files import TooManyPixelsError, UnreadableImageError, open_image
from tfgan2.runtime import Translator
from tfgan2.runtime.translator import finish, middle_mask
from tfgan2.serve.answers import PNG, wanted
from tfgan2.serve.app import PROBLEMS, Problem, Work
from tfgan2.serve.gate import problem

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


class _NoUploadError(Exception):
    """A body of another type."""


def make_router(work: Work, translator: Translator) -> APIRouter:
    """POST /translate."""
    router = APIRouter()
    limits = work.served.limits

    def prepare(upload: bytes, mask: bytes | None) -> tuple[np.ndarray, np.ndarray | None]:
        picture = _opened(upload, "image", limits.max_pixels)
        width, height = picture.size
        made = width * height * translator.scale**2
        if translator.size is None and made > limits.max_made_pixels:
            raise TooManyPixelsError(
                f"of an image of {width}x{height} pixels {made:,} are made, more than the "
                f"{limits.max_made_pixels:,} allowed"
            )
        if mask is not None and not translator.takes_mask:
            raise UserError("this file takes no mask: leave it out")
        hidden = None if mask is None else _opened(mask, "mask", limits.max_pixels)
        if translator.takes_mask and hidden is None:
            hidden = middle_mask(picture)
        return translator.prepare(picture, hidden)

    def encoded(made: np.ndarray, pixels: np.ndarray, hidden: np.ndarray | None) -> bytes:
        if not np.isfinite(made).all():
            raise UserError("the model makes no finite image of this one")
        return encode_png(finish(made, pixels, hidden), fast=True)

    @router.post(
        "/translate",
        summary="An image of an image",
        description="The image comes as `multipart/form-data` or is the body. A PNG comes back."
        + (
            " The mask is of the image's size, white where to fill; default: the middle."
            if translator.takes_mask
            else ""
        ),
        response_class=Response,
        responses={
            200: {"content": {PNG: {"schema": {"type": "string", "format": "binary"}}}},
            415: {"model": Problem, "description": "The body is neither a form nor an image."},
            **PROBLEMS,
        },
        openapi_extra={"requestBody": {"required": True, "content": _content(translator)}},
    )
    async def translate(request: Request) -> Response:
        wanted(request.headers.get("accept"), (PNG,))
        try:
            upload, mask = await _uploads(request, limits.max_body or 0)
            with work.batches.hold(1):
                pixels, hidden = await work.in_thread(prepare, upload, mask)
                inputs = {"images": pixels[None]}
                if hidden is not None:
                    inputs["masks"] = hidden[None]
                (made,) = await work.batches.make(inputs)
                content = await work.in_thread(encoded, made, pixels, hidden)
        except (MultiPartException, FormParserError) as error:
            return problem(400, f"the form cannot be read: {error}")
        except _NoUploadError as error:
            return problem(415, str(error))
        except TooManyPixelsError as error:
            return problem(413, str(error))
        except UnreadableImageError as error:
            return problem(422, str(error))
        return Response(content, media_type=PNG)

    return router


async def _uploads(request: Request, most: int) -> tuple[bytes, bytes | None]:
    """The image and perhaps the mask of a request."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        return await request.body(), None
    if kind != "multipart/form-data":
        raise _NoUploadError("send multipart/form-data with `image`, or an image as the body")
    parser = MultiPartParser(request.headers, request.stream(), max_files=2, max_fields=0)
    parser.spool_max_size = most  # it is in memory already: no file is needed
    form = await parser.parse()
    try:
        found: dict[str, bytes] = {}
        for name, value in form.multi_items():
            if name not in ("image", "mask") or name in found:
                raise UserError("give one `image`, and one `mask` at most")
            if isinstance(value, UploadFile):
                found[name] = await value.read()
    finally:
        await form.close()
    if not found.get("image"):
        raise UserError("the form has no file `image`")
    return found["image"], found.get("mask") or None  # a browser sends an empty file for none


def _opened(content: bytes, name: str, most_pixels: int) -> Any:
    try:
        return open_image(content, formats=FORMATS, most_pixels=most_pixels)
    except UnreadableImageError as error:
        raise type(error)(f"{name}: {error}") from error


def _content(translator: Translator) -> dict[str, Any]:
    """The request's body in OpenAPI."""
    file = {"type": "string", "format": "binary"}
    names = ("image", "mask") if translator.takes_mask else ("image",)
    form = {
        "type": "object",
        "properties": dict.fromkeys(names, file),
        "required": ["image"],
        "additionalProperties": False,
    }
    return {
        "multipart/form-data": {"schema": form},
        **{f"image/{kind}": {"schema": file} for kind in ("png", "jpeg", "webp")},
    }
