"""The errors that users meet. The command line prints their message without a traceback."""

from __future__ import annotations

import contextlib
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from difflib import get_close_matches


class UserError(ValueError):
    """The user can fix it: one line that says what is wrong and what to do. Exit code 2.

    A second argument continues the line with options. The command line leaves it out if the command
    that runs lacks one of them.
    """

    def __str__(self) -> str:
        return "".join(map(str, self.args))


class DataWarning(UserWarning):
    """Files that a user may miss in the data, or should look at; one line, printed as it is."""


def warn(text: str) -> None:
    """Gives a DataWarning."""
    warnings.warn(text, DataWarning, stacklevel=2)


class TrainingDivergedError(RuntimeError):
    """A loss or a weight is no longer finite; the message names the step. Exit code 1."""


class WorkerLostError(RuntimeError):
    """Another process of a distributed training is gone. Exit code 1."""


class TrainingInterrupted(KeyboardInterrupt):
    """A signal stopped the training after a step; a checkpoint was saved.

    Attributes:
        location: the run directory, local or remote.
        signal: number of the signal, for example `signal.SIGINT`.
        step: number of steps done.
        steps: number of steps of the whole training.
    """

    def __init__(self, location: str, signal: int, step: int, steps: int) -> None:
        super().__init__(f"saved at step {step} of {steps}")
        self.location = location
        self.signal = signal
        self.step = step
        self.steps = steps


@contextlib.contextmanager
def writing(path: object) -> Iterator[None]:
    """Makes a UserError of an OSError in the block: disk full, read-only, no permission."""
    try:
        yield
    except OSError as error:
        name, reason = error.filename or path, error.strerror or error
        raise UserError(f"cannot write to {name}: {reason}") from error


def cause_of(message: str) -> str:
    """Returns the line of an error of TensorFlow that says what is wrong.

    Most lines say where it was noticed. Of a UserError in a pipeline, its own message.
    """
    around = ("Graph execution error", "Detected at", "File ", "The error could", "[[", "<stack")
    lines = [line.strip() for line in message.splitlines()]
    own = (line.rpartition("UserError: ")[2] for line in lines if "UserError: " in line)
    other = (line for line in lines if line and not line.startswith(around))
    return next(own, next(other, ""))


def unknown(kind: str, name: str, known: Iterable[str], *, hint: str = "") -> UserError:
    """Makes the error for an unknown name of a kind, such as "flavour", with the closest known.

    If none is close, `hint` says what to do; by default it lists all.
    """
    by_lower = {str(item).lower(): str(item) for item in known}
    close = get_close_matches(str(name).lower(), by_lower, n=3, cutoff=0.5)
    if close:
        advice = "did you mean " + " or ".join(repr(by_lower[item]) for item in close) + "?"
    else:
        advice = hint or "choose from " + ", ".join(by_lower.values())
    return UserError(f"unknown {kind} {name!r}: {advice}")


@contextlib.contextmanager
def one_line(problem: str, *kinds: type[Exception], advice: str = "") -> Iterator[None]:
    """Turns errors of these kinds into the UserError "PROBLEM: the error's text; ADVICE".

    The advice may name options, see `UserError`.
    """
    try:
        yield
    except UserError:
        raise
    except kinds as error:
        text = _without_trace(str(error)) or type(error).__name__
        host = re.search(r"(?s)host='([^']+)'.*(NameResolution|NewConnection|Timeout)", text)
        text = f"{host[1]} cannot be reached" if host else text
        reason = textwrap.shorten(text, 200, placeholder="…")
        raise UserError(f"{problem}: {reason}", f"; {advice}" if advice else "") from error


def _without_trace(message: str) -> str:
    """Returns an error of TensorFlow without where in a graph and in Python it was raised."""
    node = r"^(\s*\{\{.*?\}\})+\s*"
    function = r"Error in user-defined function passed to \S+ transformation with iterator: \S+: "
    return re.sub(f"{node}|{function}", "", message).partition("\nTraceback ")[0]
