"""Options of several commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container
from dataclasses import Field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from tfgan2.errors import UserError
from tfgan2.options import Options, show_options
from tfgan2.remote import is_remote

Label = Annotated[
    list[str] | None, typer.Option(help="Class by name or number; repeatable, then taken in turn.")
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

_Command = TypeVar("_Command", bound=Callable[..., None])


def quoted(path: str | Path) -> str:
    """Returns a path as a shell passes it on, and no command takes it for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def local(location: str) -> Path:
    """Returns the path of a file or folder of this machine; a UserError for a remote one."""
    if is_remote(location):
        raise UserError(f"{location} is remote: copy it to this machine first")
    return Path(location)


def split_at_commas(values: list[str] | None) -> list[str] | None:
    """The words of an option that is repeated or has commas."""
    words = [word.strip() for value in values or [] for word in value.split(",")]
    return [word for word in words if word] or None


def with_declared(
    *classes: type[Options], only: Container[str] | None = None
) -> Callable[[_Command], _Command]:
    """Replaces `**options` of a command by the options, all or `only` these, of the classes."""
    return lambda command: show_options(command, *classes, annotate=_option, only=only)


def _option(item: Field[Any], kind: Any) -> Any:
    """The annotation of a declared option; None stands for an option that was not given."""
    metadata, default = item.metadata, item.default
    declared = metadata["option"]
    if declared.choices and kind is str:
        kind = Literal[tuple(declared.choices)]
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
    return {
        name: split_at_commas(value) if isinstance(value, list) else value
        for name, value in options.items()
        if value not in (None, [], ())
    }
