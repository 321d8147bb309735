"""Arrays that are dear to make, kept in files: of reference images, or of a trained classifier."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2.errors import cannot_write
from tfgan2.files import written_atomically

_KEY = "cache_key"


def cache_folder() -> Path:
    """Where such files are kept by default: $TFGAN2_CACHE, or ~/.cache/tfgan2."""
    return Path(os.environ.get("TFGAN2_CACHE") or "~/.cache/tfgan2").expanduser()


class Cache:
    """Arrays by a key that tells everything they depend on.

    The name of a file is a hash of its key, the key itself stands in the file and is compared, so
    that what was made otherwise is never taken for it.
    """

    def __init__(self, folder: Path, kind: str = "reference") -> None:
        """
        Args:
            folder: made where it is missing, once something is saved.
            kind: what the names of the files begin with.
        """
        self.folder = folder
        self.kind = kind

    def path(self, key: Mapping[str, Any]) -> Path:
        """Where the arrays of a key are kept."""
        return (
            self.folder / f"{self.kind}-{hashlib.sha256(_text(key).encode()).hexdigest()[:24]}.npz"
        )

    def load(self, key: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
        """The arrays of a key, or None where there are none or the file is damaged.

        Args:
            key: fit for JSON; the order of its entries does not matter.
        """
        try:
            with np.load(self.path(key), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            kept = str(arrays.pop(_KEY))
        # Damaged zip files raise a dozen types. What cannot be read is made again.
        except Exception:
            return None
        return arrays if kept == _text(key) else None

    def save(self, key: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps the arrays of a key, in place of those that were there.

        Raises:
            UserError: the disk refuses.
            ValueError: an array has the name that the key is kept by.
        """
        if _KEY in arrays:
            raise ValueError(f"no array can be called {_KEY!r}")
        path = self.path(key)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with written_atomically(path) as partial:
                np.savez(partial, allow_pickle=False, **{_KEY: np.array(_text(key)), **arrays})
        except OSError as error:
            raise cannot_write(path, error) from error


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
