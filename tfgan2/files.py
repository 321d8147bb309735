"""Atomic writing: nothing half-written ever stands under a final name."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tfgan2.errors import writing


@contextlib.contextmanager
def written_atomically(path: Path, *, parents: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside `path` and renames it to `path` when the block succeeds.

    Nothing exists at the temporary path yet. It keeps the suffix of `path`, since some writers
    choose the format by it. The bytes of a file are on disk before the rename, so a crash leaves
    either the old file or the new one; an existing folder is replaced. After an error, Ctrl-C
    included, the temporary path is removed; an OSError, such as a full disk, becomes a UserError.
    `parents` creates the folders above `path`, which must exist otherwise.
    """
    partial, old = (
        path.with_name(f".{path.stem}.partial-{os.getpid()}{end}{path.suffix}")
        for end in ("", "-old")
    )
    with writing(path):
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            if partial.is_file():
                with partial.open("rb") as file:
                    os.fsync(file.fileno())
            elif path.is_dir():  # a rename replaces no folder that holds something
                path.replace(old)
            partial.replace(path)
        except BaseException:
            if old.exists():
                old.replace(path)
            raise
        finally:
            remove(partial)
            remove(old)


def remove(path: Path) -> None:
    """Removes a file or folder if it exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_abandoned(partial: Path) -> bool:
    """True if the process of this machine that began to write a partial file has ended."""
    match = re.search(r"\.partial-(\d+)", partial.name)
    if match is None or os.name == "nt":  # on Windows `os.kill` would end the process
        return False
    try:
        os.kill(int(match[1]), 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)  # else it is another user's process
    return int(match[1]) == os.getpid()  # an earlier process with the same number wrote it
