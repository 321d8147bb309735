"""What goes wrong, split by who can mend it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """The user can mend it: one line that says what is wrong and what would be right.

    The command line prints the message alone and leaves with exit code 2.
    """


def cannot_write(path: object, error: OSError) -> UserError:
    """The error for a disk that refuses: full, read-only, no permission."""
    return UserError(f"cannot write to {error.filename or path}: {error.strerror or error}")


class TrainingDivergedError(RuntimeError):
    """A loss is no longer finite; the message names the step and the last good checkpoint.

    The command line prints the message alone and leaves with exit code 1.
    """


class WorkerLostError(RuntimeError):
    """Another of several processes that train together has gone.

    The command line prints the message alone and leaves with exit code 1.
    """


def unknown(kind: str, name: str, known: Iterable[str], *, hint: str = "") -> UserError:
    """The error for a name that is not known, with the closest known names.

    Args:
        kind: what the name stands for, for example "flavour".
        name: what the user gave.
        known: all names that would have been right.
        hint: what to do when no name is close; default: all known names are listed.
    """
    names = [str(item) for item in known]
    close = get_close_matches(name.lower(), {n.lower(): n for n in names}, n=3, cutoff=0.5)
    by_lower = {n.lower(): n for n in names}
    if close:
        advice = "did you mean " + " or ".join(repr(by_lower[c]) for c in close) + "?"
    else:
        advice = hint or "choose from " + ", ".join(names)
    return UserError(f"unknown {kind} {name!r}: {advice}")
