"""The user's cache folder: what commands keep for the next one, and can make again."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tfgan2.files import remove

COMPILED_STEPS = "compiled training steps"
KINDS = {
    COMPILED_STEPS: "xla/*",
    "features of real images": "reference-*.npz",
    "trained classifiers": "classifier-*.npz",
}
"""What the cache holds, by patterns of paths; other files in the folder are not its own."""


def cache_dir() -> Path:
    """Returns $TFGAN2_CACHE, or ~/.cache/tfgan2."""
    return Path(os.environ.get("TFGAN2_CACHE") or "~/.cache/tfgan2").expanduser()


def contents(kind: str) -> list[Path]:
    """Returns the files or folders of a kind, the one that was not used for longest first."""
    times: dict[Path, float] = {}
    for path in cache_dir().glob(KINDS[kind]):
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            times[path] = path.stat().st_mtime
    return sorted(times, key=lambda path: times[path])


def size(path: Path) -> int:
    """Returns the bytes of a file, or of the files in a folder; 0 if it is gone."""
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for file in path.iterdir() if path.is_dir() else [path]:
            total += file.stat().st_size
    return total


def clear() -> None:
    """Removes what the cache holds; running processes lose nothing but time."""
    for kind in KINDS:
        for path in contents(kind):
            remove(path)
