"""The addresses of a generator: POST /generate and GET /generate.png."""

# No postponed annotations: FastAPI reads those of inner functions, which name local classes.
import io
import zipfile
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from tfgan2.errors import UserError
from tfgan2.images import encode_grid, encode_png, is_points, sample_arrays, to_pil, to_uint8
from tfgan2.inputs.labels import label_columns
from tfgan2.runtime import Generator
from tfgan2.serve.responses import BINARY, MEDIA_TYPES, NPZ, PNG, PROBLEMS, ZIP, negotiate
from tfgan2.serve.service import Service

MAX_TEXT = 1000
MAX_TRUNCATION = 10.0
MAX_SEED = 2**53 - 1  # the largest whole number that JavaScript represents exactly
SMALL = 64 * 64 * 3  # numbers; encoding fewer as PNG is faster than handing them to a thread


def add_addresses(app: FastAPI, service: Service, generator: Generator) -> None:
    """Adds the addresses of a generator to an application."""
    points = is_points(generator.image_shape)
    media_types = tuple(kind for kind in MEDIA_TYPES if not (points and kind == ZIP))
    body_class = _request_class(generator, service.limits.max_count)
    query_class = _request_class(generator, service.limits.max_count, query=True)

    async def respond(request: Any, media_type: str) -> Response:
        inputs, latents, columns = _read(request, generator)
        with service.batches.hold(len(inputs["z"])):
            images = await service.batches.compute(inputs)
            arrays = {"latents": latents, "labels": inputs.get("label")}
            encoding = partial(_encode, media_type, images, arrays, columns)
            small = media_type == PNG and images.size <= SMALL and not points
            content = encoding() if small else await run_in_threadpool(encoding)
        return Response(content, media_type=media_type)

    @app.post(
        "/generate",
        summary="Images",
        description=(
            "`Accept` chooses the media type: `image/png` (a grid, the default), "
            f"`application/zip` (one PNG per image) or `{NPZ}` (arrays `images`, `latents` and "
            f"`labels`; also called `{MEDIA_TYPES[-1]}`). The same request gives the same bytes."
        ),
        response_class=Response,
        responses={200: {"content": dict.fromkeys(media_types, BINARY)}, **PROBLEMS},
    )
    async def generate(body: body_class, request: Request) -> Response:  # type: ignore[valid-type]
        return await respond(body, negotiate(request.headers.get("accept"), media_types))

    @app.get(
        "/generate.png",
        summary="Images, for an <img>",
        description="As POST /generate, always a PNG. The same address gives the same bytes.",
        response_class=Response,
        responses={200: {"content": {PNG: BINARY}}, **PROBLEMS},
    )
    async def generate_png(
        query: Annotated[query_class, Query()],  # type: ignore[valid-type]
    ) -> Response:
        return await respond(query, PNG)


def _read(
    request: Any, generator: Generator
) -> tuple[dict[str, np.ndarray], np.ndarray, int | None]:
    """Returns the inputs of the generator, the latents before truncation, and the grid's columns.

    A UserError if the fields do not fit each other or the generator.
    """
    label, text, values, truncation = (
        getattr(request, name, None) for name in ("label", "text", "latents", "truncation")
    )
    if values is None:
        drawn = generator.draw(request.count, seed=request.seed, label=label, text=text)
    elif request.model_fields_set & {"count", "seed"}:
        raise UserError("give either latents or count and seed: the latents set the count")
    else:
        drawn = (np.asarray(values, np.float64), *generator.conditions(len(values), label, text))
    inputs = generator.inputs(*drawn, truncation=truncation)
    choices = (text, generator.captions, label, generator.class_names)
    turns = next((choice for choice in choices if choice not in (None, ())), ())
    columns = request.columns or label_columns(np.size(turns))
    return inputs, drawn[0].astype(np.float32), min(columns, len(drawn[0])) if columns else None


def _encode(
    media_type: str, images: np.ndarray, arrays: Mapping[str, Any], columns: int | None
) -> bytes:
    """Encodes generated images. As a PNG, one image is that image, and several are a grid.

    The same arguments give the same bytes: no file in it has a date.
    """
    if not np.isfinite(images).all():
        raise UserError("the images of these latents are not finite")
    if media_type == PNG:
        if len(images) == 1 and not is_points(images.shape):
            return encode_png(to_pil(to_uint8(images[0])), fast=True)
        return encode_grid(images, columns=columns, fast=True)
    buffer = io.BytesIO()
    if media_type == ZIP:
        digits = max(5, len(str(len(images) - 1)))
        with zipfile.ZipFile(buffer, "w") as archive:
            for index, image in enumerate(to_uint8(images)):
                content = encode_png(to_pil(image), fast=True)
                archive.writestr(zipfile.ZipInfo(f"{index:0{digits}d}.png"), content)
    else:
        np.savez(buffer, allow_pickle=False, **sample_arrays(images, **arrays))
    return buffer.getvalue()


def _request_class(generator: Generator, limit: int, *, query: bool = False) -> type[BaseModel]:
    """Returns the class of the body of POST /generate, or of the query of GET /generate.png."""
    several = Field(min_length=1, max_length=limit)
    turns = Field(None, description="One, or several that take turns; default: all in turn.")
    seed = Field(0, ge=0, le=MAX_SEED, description="Seed of the latents, as in `tfgan2 generate`.")
    columns = Field(None, ge=1, le=limit, description="Of a grid; default: a column per class.")
    fields: dict[str, Any] = {
        "count": (int, Field(1, ge=1, le=limit, description="Number of images.")),
        "seed": (int, seed),
        "columns": (int | None, columns),
    }
    if not query:
        dim, finite = generator.latent_dim, Annotated[float, Field(allow_inf_nan=False)]
        latent = Annotated[list[finite], Field(min_length=dim, max_length=dim)]  # type: ignore[valid-type]
        about = Field(None, min_length=1, max_length=limit, description="Replace count and seed.")
        fields["latents"] = (list[latent] | None, about)
    if generator.truncation_of:
        usual = "none" if generator.default_truncation is None else generator.default_truncation
        about = f"Small: more typical, less varied images; default: {usual}."
        truncation = Field(None, ge=0, le=MAX_TRUNCATION, description=about)
        fields["truncation"] = (float | None, truncation)
    turning: dict[str, Any] = {}
    if generator.conditional:
        names = generator.class_names
        numbers = {str(number) for number in range(len(names))}
        text = {"type": "string", "enum": [*names, *sorted(numbers - set(names), key=int)]}
        number = {"type": "integer", "minimum": 0, "maximum": len(names) - 1}
        kind = str if query else str | int
        turning["label"] = Annotated[kind, WithJsonSchema({"anyOf": [text, number]})]
    if generator.captions:
        turning["text"] = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    for name, item in turning.items():
        items = Annotated[list[item], several]  # type: ignore[valid-type]
        fields[name] = (item | items | None, turns)
    config = ConfigDict(extra="forbid", strict=not query)
    return create_model("GenerateQuery" if query else "Generate", __config__=config, **fields)
