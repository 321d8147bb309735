"""The addresses of a generator: POST /generate and GET /generate.png."""

# No postponed annotations: FastAPI reads those of inner functions, which name local classes.
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from tfgan2.errors import UserError
from tfgan2.images import is_points
from tfgan2.inputs.labels import label_columns
from tfgan2.runtime import Generator
from tfgan2.serve.models import generator_inputs
from tfgan2.serve.responses import BINARY, MEDIA_TYPES, NPZ, PNG, PROBLEMS, ZIP, encode, negotiate
from tfgan2.serve.service import Service

MAX_TEXT = 1000
MAX_SEED = 2**53 - 1  # the largest whole number that JavaScript represents exactly
SMALL = 64 * 64 * 3  # numbers; encoding fewer as PNG is faster than handing them to a thread


class GenerateRequest(BaseModel):
    """The images that a client asks for; some files add `latents`, `label` and `text`."""

    count: int = 1
    seed: int = 0
    columns: int | None = None

    def several(self, name: str) -> list[Any]:
        """Returns the values of a field that holds one value, several, or is missing."""
        value = getattr(self, name, None)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]


def make_router(service: Service, generator: Generator) -> APIRouter:
    """Returns the addresses of a generator."""
    router = APIRouter()
    points = is_points(generator.image_shape)
    media_types = tuple(kind for kind in MEDIA_TYPES if not (points and kind == ZIP))
    limit = service.served.limits.max_count
    body_class, query_class = _body_class(generator, limit), _query_class(generator, limit)

    async def respond(request: GenerateRequest, media_type: str) -> Response:
        latents, labels, texts = _inputs(request, generator)
        columns = request.columns or label_columns(
            len(request.several("text") or generator.captions)
            or len(request.several("label") or generator.class_names)
        )
        columns = min(columns, len(latents)) if columns else None
        with service.batches.hold(len(latents)):
            images = await service.batches.compute(generator_inputs(latents, labels, texts))
            arguments = (media_type, images, latents, labels, columns)
            if media_type == PNG and images.size <= SMALL and not points:
                content = encode(*arguments)
            else:
                content = await service.in_thread(encode, *arguments)
        return Response(content, media_type=media_type)

    @router.post(
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
    async def generate(
        body: Annotated[body_class, Body()],  # type: ignore[valid-type]
        request: Request,
    ) -> Response:
        return await respond(body, negotiate(request.headers.get("accept"), media_types))

    @router.get(
        "/generate.png",
        summary="Images, for an <img>",
        description="As POST /generate, always a PNG. The same address gives the same bytes.",
        response_class=Response,
        responses={
            200: {"content": {PNG: BINARY}},
            **{status: response for status, response in PROBLEMS.items() if status != 406},
        },
    )
    async def generate_png(
        query: Annotated[query_class, Query()],  # type: ignore[valid-type]
    ) -> Response:
        return await respond(query, PNG)

    return router


def _inputs(
    request: GenerateRequest, generator: Generator
) -> tuple[np.ndarray, np.ndarray | None, list[str] | None]:
    """Returns the latents, labels and texts of a request, checked.

    Raises:
        UserError: they do not fit each other or the generator.
    """
    values = getattr(request, "latents", None)
    if values is not None and request.model_fields_set & {"count", "seed"}:
        raise UserError("give either latents or count and seed: the latents set the count")
    label, text = request.several("label"), request.several("text")
    count = request.count if values is None else len(values)
    latents, labels, texts = generator.draw(count, seed=request.seed, label=label, text=text)
    if values is not None:
        latents = np.asarray(values, np.float64)
    return *generator.check(latents, labels, texts), texts


def _common_fields(limit: int) -> dict[str, Any]:
    count = Field(1, ge=1, le=limit, description="Number of images.")
    seed = Field(0, ge=0, le=MAX_SEED, description="Seed of the latents, as in `tfgan2 generate`.")
    columns = Field(None, ge=1, le=limit, description="Of a grid; default: a column per class.")
    return {"count": (int, count), "seed": (int, seed), "columns": (int | None, columns)}


_TEXT = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


def _body_class(generator: Generator, limit: int) -> type[GenerateRequest]:
    """Returns the class of the body of POST /generate."""
    dim = generator.latent_dim
    number = Annotated[float, Field(allow_inf_nan=False)]
    latent = Annotated[list[number], Field(min_length=dim, max_length=dim)]
    several = Field(min_length=1, max_length=limit)
    fields = _common_fields(limit)
    description = Field(description="In place of count and seed.")
    fields["latents"] = Annotated[list[latent] | None, several, description], None
    turns = Field(description="One, or several that take turns; default: all in turn.")
    if generator.conditional:
        label = Annotated[str | int, WithJsonSchema(_label_schema(generator))]
        fields["label"] = Annotated[label | Annotated[list[label], several] | None, turns], None
    if generator.captions:
        fields["text"] = Annotated[_TEXT | Annotated[list[_TEXT], several] | None, turns], None
    return _request_class("Generate", ConfigDict(extra="forbid", strict=True), fields)


def _query_class(generator: Generator, limit: int) -> type[GenerateRequest]:
    """Returns the class of the query of GET /generate.png."""
    fields = _common_fields(limit)
    several = Field(max_length=limit, description="Repeatable.")
    if generator.conditional:
        label = Annotated[str, WithJsonSchema(_label_schema(generator))]
        fields["label"] = Annotated[list[label], several], []
    if generator.captions:
        fields["text"] = Annotated[list[_TEXT], several], []
    return _request_class("GenerateQuery", ConfigDict(extra="forbid"), fields)


def _request_class(name: str, config: ConfigDict, fields: dict[str, Any]) -> type[GenerateRequest]:
    # create_model takes either a base class or a configuration.
    members = {"model_config": config, "__module__": __name__}
    return create_model(name, __base__=type(name, (GenerateRequest,), members), **fields)


def _label_schema(generator: Generator) -> dict[str, Any]:
    """Returns the JSON Schema of a class by name or number."""
    names = list(generator.class_names)
    numbers = [str(number) for number in range(len(names)) if str(number) not in names]
    return {
        "anyOf": [
            {"type": "string", "enum": names + numbers},
            {"type": "integer", "minimum": 0, "maximum": len(names) - 1},
        ]
    }
