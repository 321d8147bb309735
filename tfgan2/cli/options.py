"""Options of several commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import Field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from tfgan2.options import Options


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


_Command = TypeVar("_Command", bound=Callable[..., None])


def with_declared(*classes: type[Options]) -> Callable[[_Command], _Command]:
    """Replaces `**options` of a command by the options that the classes declare."""

    def decorate(command: _Command) -> _Command:
        signature = inspect.signature(command, eval_str=True)
        *parameters, _ = signature.parameters.values()
        keyword = inspect.Parameter.KEYWORD_ONLY
        for declared in classes:
            types = get_type_hints(declared)
            for item in declared.declared():
                annotation = _option(item, types[item.name])
                parameters.append(
                    inspect.Parameter(item.name, keyword, default=None, annotation=annotation)
                )
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore
        return command

    return decorate


def _option(item: Field[Any], kind: Any) -> Any:
    """The annotation of a declared option; None stands for an option that was not given."""
    metadata, default = item.metadata, item.default
    declared = metadata["option"]
    if declared.choices and kind is str:
        choices = [(choice, choice) for choice in declared.choices]
        kind = Enum(item.name, choices, type=str)  # type: ignore[misc, no-redef]
    no_default = default is None or isinstance(default, bool)  # the flag says it
    shown = metadata["shown"] or ("" if no_default else str(default))
    flag = f"--{item.name.replace('_', '-')}" if default is False else metadata["flag"]
    option = typer.Option(
        *filter(None, [flag]),
        help=declared.help.removesuffix(".") + (f"; default {shown}." if shown else "."),
        rich_help_panel=metadata["panel"],
        metavar=metadata["metavar"],
        show_default=False,
    )
    return Annotated[kind | None, option]


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the declared options that were given, as the API takes them."""
    return {name: _plain(value) for name, value in options.items() if value not in (None, [], ())}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return split_at_commas(value)
    return value.value if isinstance(value, Enum) else value
