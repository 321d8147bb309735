"""The command line: a file per command. None imports TensorFlow before it needs it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Annotated, Any

import typer

from tfgan2.errors import DataWarning, TrainingDivergedError, UserError, WorkerLostError

# Each stands in the module of its name.
COMMANDS = (
    *("fit", "launch", "watch", "prepare", "distill", "sample", "export", "generate"),
    *("translate", "evaluate", "compare", "serve", "benchmark", "push", "pull"),
    *("models", "datasets", "info", "cache"),
)
_OF_PATHS = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES)
"""Errors of a path that a user gave, raised already by asking whether it exists."""


def _version(requested: bool) -> None:
    if requested:
        from tfgan2 import __version__

        print(f"tfgan2 {__version__}")
        raise typer.Exit


def _shared(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and TensorFlow's own messages.")
    ] = False,
) -> None:
    if debug:
        os.environ["TFGAN2_DEBUG"] = "1"


def make_app(arguments: list[str]) -> typer.Typer:
    """Makes the application with the command in the arguments, or with all commands."""
    app = typer.Typer(
        name="tfgan2",
        help="Train image GANs in TensorFlow and put the generator on a phone.",
        epilog="Start with: tfgan2 fit dcgan --dataset digits",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_shared)
    command = next((word for word in arguments if not word.startswith("-")), None)
    # Importing the modules of all commands would cost a quarter of a second at every start.
    for name in (command,) if command in COMMANDS else COMMANDS:
        app.command(name)(getattr(import_module(f"tfgan2.cli.{name}"), name))
    return app


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Prints each DataWarning once, without the line of code that gives it; others as before."""
    before, shown = warnings.showwarning, set[str]()

    def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, DataWarning):
            before(message, category, *where, **more)
        elif (line := f"warning: {message}") not in shown:
            shown.add(line)
            print(line, file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _fail(message: str, code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _has_options(arguments: list[str], text: str) -> bool:
    """Returns whether the command in the arguments has all options that a text names."""
    commands = getattr(typer.main.get_command(make_app(arguments)), "commands", {})
    named = next((commands[word] for word in arguments if word in commands), None)
    params = named.params if named else ()
    known = {flag for item in params for flag in (*item.opts, *item.secondary_opts)}
    return known.issuperset(re.findall(r"--[a-z]+(?:-[a-z]+)*", text))


def run(arguments: list[str] | None = None) -> int:
    """Runs a command, by default with the arguments of this process; returns the exit code.

    0; 1 if training diverged or lost a worker; 2 if the user can fix it; 130, 143 or 129 if
    interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path may have bytes that are not UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _warnings_in_one_line():
            result = make_app(arguments)(arguments, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except UserError as error:
        if os.environ.get("TFGAN2_DEBUG"):
            raise
        advised = all(_has_options(arguments, str(text)) for text in error.args[1:])
        return _fail(str(error) if advised else str(error.args[0]), 2)
    except (TrainingDivergedError, WorkerLostError) as error:
        if os.environ.get("TFGAN2_DEBUG"):
            raise
        return _fail(str(error), 1)
    except (typer.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except OSError as error:
        if error.errno not in _OF_PATHS or error.filename is None or os.environ.get("TFGAN2_DEBUG"):
            raise
        return _fail(f"cannot use {os.fsdecode(error.filename)!r}: {error.strerror}", 2)
    except Exception as error:
        # Typer's own errors about the arguments; their class depends on Typer's version.
        if isinstance(error, typer.BadParameter.__mro__[2]) and hasattr(error, "format_message"):
            return _fail(error.format_message(), 2)
        raise


def main() -> None:
    """The console script."""
    sys.exit(run())
