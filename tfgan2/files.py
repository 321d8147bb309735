"""Writing so that nothing half-written ever stands under a final name."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and moves it there once the block has ended well.

    The file's bytes are on the disk before the rename, so that a crash leaves either the old file
    or the new one. On an error, Ctrl-C included, what was written is removed.

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
            if path.is_dir():
                shutil.rmtree(path)
        else:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
