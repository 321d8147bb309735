"""Reports errors that the user can fix in one line, for all benchmarks."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from typing import NoReturn

from tfgan2.errors import UserError


def some_of(known: Collection[str], separator: str = ",") -> Callable[[str], list[str]]:
    """Returns an argparse type: names with a separator between them, each one of `known`."""

    def names(text: str) -> list[str]:
        found = text.split(separator)
        for name in found:
            if name not in known:
                every = separator.join(known)
                raise argparse.ArgumentTypeError(f"unknown {name!r}: give some of {every}")
        return found

    return names


@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Ends the process with exit code 2 on bad input, an unusable path or a failed command."""
    try:
        yield
    except UserError as error:
        _fail(str(error))
    except subprocess.CalledProcessError as error:  # it has said why
        _fail(f"failed with exit code {error.returncode}: {shlex.join(map(str, error.cmd))}")
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"cannot use {str(error.filename)!r}: {error.strerror}")


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
