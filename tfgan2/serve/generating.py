"""The addresses of a generator of latents."""

# No postponed annotations: FastAPI reads those of inner functions, and they name the limits.
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from tfgan2.errors import UserError
from tfgan2.images import is_points
from tfgan2.inputs.labels import label_columns
from tfgan2.inputs.latents import draw_latents
from tfgan2.runtime import Generator
from tfgan2.serve.answers import BYTES, KINDS, NPZ, PNG, ZIP, encode, wanted
from tfgan2.serve.app import PROBLEMS, Work
from tfgan2.serve.models import generator_inputs

MOST_TEXT = 1000
SMALL = 64 * 64 * 3  # numbers; fewer are a PNG sooner than another thread has begun with them
MOST_SEED = 2**53 - 1  # what JavaScript's numbers hold


class Wish(BaseModel):
    """The images that are wanted; `latents`, `label` and `text` are fields of some only."""

    count: int = 1
    seed: int = 0
    columns: int | None = None


def make_router(work: Work, generator: Generator) -> APIRouter:
    """POST /generate and GET /generate.png."""
    router = APIRouter()
    kinds = tuple(k for k in KINDS if k != ZIP) if is_points(generator.image_shape) else KINDS
    binary = {"schema": {"type": "string", "format": "binary"}}

    async def answer(wish: Wish, kind: str) -> Response:
        latents, labels, texts = drawn(wish, generator)
        columns = wish.columns or label_columns(
            len(_several(getattr(wish, "text", None)) or generator.captions)
            or len(_several(getattr(wish, "label", None)) or generator.class_names)
        )
        columns = min(columns or len(latents), len(latents)) if columns else None
        with work.batches.hold(len(latents)):
            images = await work.batches.make(generator_inputs(latents, labels, texts))
            arguments = (kind, images, latents, labels, columns)
            if kind == PNG and images.size <= SMALL and not is_points(images.shape):
                content = encode(*arguments)
            else:
                content = await work.in_thread(encode, *arguments)
        return Response(content, media_type=kind)

    async def generate(wish: Wish, request: Request) -> Response:
        return await answer(wish, wanted(request.headers.get("accept"), kinds))

    async def generate_png(wish: Wish) -> Response:
        return await answer(wish, PNG)

    limits = work.served.limits
    generate.__annotations__["wish"] = Annotated[_wish(generator, limits.max_count), Body()]
    generate_png.__annotations__["wish"] = Annotated[_query(generator, limits.max_count), Query()]
    router.post(
        "/generate",
        summary="Images",
        description=(
            "`Accept` chooses what comes: `image/png` (a grid, the default), `application/zip` "
            f"(a PNG each) or `{NPZ}` (arrays `images`, `latents` and `labels`; also called "
            f"`{BYTES}`). The same request gives the same bytes."
        ),
        response_class=Response,
        responses={200: {"content": dict.fromkeys(kinds, binary)}, **PROBLEMS},
    )(generate)
    router.get(
        "/generate.png",
        summary="Images, for an <img>",
        description="As POST /generate, always a PNG. The same address gives the same bytes.",
        response_class=Response,
        responses={
            200: {"content": {PNG: binary}},
            **{code: what for code, what in PROBLEMS.items() if code != 406},
        },
    )(generate_png)
    return router


def drawn(
    wish: Wish, generator: Generator
) -> tuple[np.ndarray, np.ndarray | None, list[str] | None]:
    """The latents, labels and texts of a wish, checked.

    Raises:
        UserError: they do not go together, or not with this generator.
    """
    given = getattr(wish, "latents", None)
    if given is not None and wish.model_fields_set & {"count", "seed"}:
        raise UserError("give either latents, or count and seed: the latents say how many")
    if given is not None:
        latents = np.asarray(given, np.float64)
    else:
        latents = draw_latents(
            wish.count,
            generator.latent_dim,
            seed=wish.seed,
            distribution=generator.latent_distribution,
        )
    labels = generator.labels(len(latents), getattr(wish, "label", None))
    texts = generator.texts(len(latents), getattr(wish, "text", None))
    latents, labels = generator.check(latents, labels, texts)
    return latents, labels, texts


def _several(given: Any) -> list[Any]:
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def _count(most: int) -> Any:
    return Annotated[int, Field(ge=1, le=most, description="How many.")]


_SEED = Annotated[
    int, Field(ge=0, le=MOST_SEED, description="Of the latents, as in `tfgan2 generate`.")
]
_TEXT = Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]


def _columns(most: int) -> Any:
    return Annotated[
        int | None, Field(ge=1, le=most, description="Of a grid; default: a column per class.")
    ]


def _wish(generator: Generator, most: int) -> type[Wish]:
    """What POST /generate takes: a field more for labels and for texts."""
    dim = generator.latent_dim
    number = Annotated[float, Field(allow_inf_nan=False)]
    latent = Annotated[list[number], Field(min_length=dim, max_length=dim)]
    fields: dict[str, Any] = {
        "count": (_count(most), 1),
        "seed": (_SEED, 0),
        "latents": (
            Annotated[
                list[latent] | None,
                Field(min_length=1, max_length=most, description="In place of count and seed."),
            ],
            None,
        ),
        "columns": (_columns(most), None),
    }
    turns = "One, or several that take turns; default: all in turn."
    if generator.conditional:
        label = Annotated[str | int, WithJsonSchema(_label_schema(generator))]
        several = Annotated[list[label], Field(min_length=1, max_length=most)]
        fields["label"] = (Annotated[label | several | None, Field(description=turns)], None)
    if generator.captions:
        texts = Annotated[list[_TEXT], Field(min_length=1, max_length=most)]
        fields["text"] = (Annotated[_TEXT | texts | None, Field(description=turns)], None)
    strict = ConfigDict(extra="forbid", strict=True)
    return create_model("Generate", __base__=_configured(strict), **fields)


def _query(generator: Generator, most: int) -> type[Wish]:
    """What GET /generate.png takes."""
    fields: dict[str, Any] = {
        "count": (_count(most), 1),
        "seed": (_SEED, 0),
        "columns": (_columns(most), None),
    }
    if generator.conditional:
        label = Annotated[str, WithJsonSchema(_label_schema(generator))]
        fields["label"] = (
            Annotated[list[label], Field(max_length=most, description="Repeatable.")],
            [],
        )
    if generator.captions:
        fields["text"] = (
            Annotated[list[_TEXT], Field(max_length=most, description="Repeatable.")],
            [],
        )
    return create_model(
        "GenerateQuery",
        __base__=_configured(ConfigDict(extra="forbid")),
        **fields,
    )


def _configured(config: ConfigDict) -> type[Wish]:
    """Wish with settings, since create_model takes either a base or these."""
    return type("Wish", (Wish,), {"model_config": config, "__module__": __name__})


def _label_schema(generator: Generator) -> dict[str, Any]:
    """A class by name or number, in JSON Schema."""
    names = list(generator.class_names)
    numbers = [str(number) for number in range(len(names)) if str(number) not in names]
    return {
        "anyOf": [
            {"type": "string", "enum": names + numbers},
            {"type": "integer", "minimum": 0, "maximum": len(names) - 1},
        ]
    }
