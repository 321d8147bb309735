"""Run directories on this machine, or where TensorFlow's file systems reach."""

from __future__ import annotations

from pathlib import Path

from tfgan2 import remote, startup
from tfgan2.errors import UserError


def run_folder(location: str) -> Path:
    """Returns a run directory on this machine: of a remote run a copy to read from.

    Raises:
        UserError: a remote run cannot be reached, or is not a run.
    """
    if not remote.is_remote(location):
        return Path(location)
    startup.load()
    return remote.fetched(location)


def check_local_out(location: str, out: Path | None) -> None:
    """Raises a UserError if results would go into a remote run, which is only read."""
    if out is None and remote.is_remote(location):
        raise UserError(f"{location} is remote: give --out, a local folder")
