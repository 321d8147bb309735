"""Options of several commands."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Direction(str, Enum):
    AtoB = "AtoB"
    BtoA = "BtoA"


class Precision(str, Enum):
    float32 = "float32"
    mixed_bfloat16 = "mixed_bfloat16"
    mixed_float16 = "mixed_float16"


Label = Annotated[
    list[str] | None,
    typer.Option(help="Class by name or number; repeatable, then taken in turn."),
]
Text = Annotated[
    list[str] | None,
    typer.Option(help="Sentence, for flavours that take text; repeatable, then taken in turn."),
]
Latents = Annotated[
    Path | None,
    typer.Option(help="A .npy file of shape (count, latent_dim), in place of --count and --seed."),
]
Checkpoint = Annotated[str, typer.Option(help="Checkpoint of the run: newest, best or a step.")]


def split_at_commas(values: list[str] | None) -> list[str] | None:
    """The words of an option that is repeated or has commas."""
    words = [word.strip() for value in values or [] for word in value.split(",")]
    return [word for word in words if word] or None
