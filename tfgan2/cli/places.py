"""Runs that lie on this machine, or where TensorFlow's file systems reach."""

from __future__ import annotations

from pathlib import Path

from tfgan2 import remote
from tfgan2.errors import UserError


def run_folder(place: str) -> Path:
    """A run's folder on this machine, to be read.

    Raises:
        UserError: a remote place cannot be reached, or is not a run.
    """
    if not remote.is_remote(place):
        return Path(place)
    from tfgan2 import startup

    startup.load()
    return remote.fetched(place)


def check_local_out(place: str, out: Path | None) -> None:
    """Raises a UserError where results would go into a remote run, which is only read."""
    if out is None and remote.is_remote(place):
        raise UserError(f"{place} is not on this machine: say with --out where the results go")
