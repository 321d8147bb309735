"""Writing so that nothing half-written ever stands under a final name."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and moves it there once the block has ended well.

    A file's bytes are on the disk before the rename, so that a crash leaves either the old file or
    the new one. On an error, Ctrl-C included, what was written is removed.

    Args:
        path: the final name, of a file or of a folder; its parent folder must exist. A folder that
            stands there already is replaced.

    Yields:
        The temporary path: nothing stands there yet. It keeps the suffix, since some writers choose
        the format by it.
    """
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        yield partial
        if partial.is_dir():
            _replace_folder(partial, path)
        else:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _replace_folder(new: Path, path: Path) -> None:
    """Moves a folder to its name; what stands there goes when the new one is in its place."""
    if not path.is_dir():
        new.replace(path)
        return
    old = path.with_name(f".{path.stem}.partial-{os.getpid()}-old{path.suffix}")
    path.replace(old)
    try:
        new.replace(path)
    except BaseException:
        old.replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def abandoned(partial: Path) -> bool:
    """Whether the process of this machine that began to write a partial file has ended."""
    found = re.search(r"\.partial-(\d+)", partial.name)
    if found is None or os.name == "nt":  # there `kill` would end it
        return False
    if int(found[1]) == os.getpid():  # of an earlier one, which had the same number
        return True
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:  # someone else's
        pass
    return False
