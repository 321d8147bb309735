"""Files of arrays that are expensive to compute: reference features and trained classifiers."""

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


def default_cache_dir() -> Path:
    """Returns $TFGAN2_CACHE, or ~/.cache/tfgan2."""
    return Path(os.environ.get("TFGAN2_CACHE") or "~/.cache/tfgan2").expanduser()


class ArrayCache:
    """Arrays in files, by a key that contains everything they depend on.

    A file is named by a hash of its key. The key is also stored in the file and compared, so that a
    hash collision gives no wrong arrays.
    """

    def __init__(self, directory: Path, kind: str = "reference") -> None:
        """
        Args:
            directory: created when something is saved.
            kind: prefix of the file names.
        """
        self.directory = directory
        self.kind = kind

    def path(self, key: Mapping[str, Any]) -> Path:
        """Returns the file of a key."""
        digest = hashlib.sha256(_text(key).encode()).hexdigest()
        return self.directory / f"{self.kind}-{digest[:24]}.npz"

    def load(self, key: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
        """Returns the arrays of a key, or None if there are none or the file is damaged.

        Args:
            key: JSON; the order of its entries does not matter.
        """
        try:
            with np.load(self.path(key), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            stored = str(arrays.pop(_KEY))
        except Exception:  # damaged zip files raise a dozen types
            return None
        return arrays if stored == _text(key) else None

    def save(self, key: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Stores or replaces the arrays of a key.

        Raises:
            UserError: the file cannot be written.
            ValueError: an array is called "cache_key".
        """
        if _KEY in arrays:
            raise ValueError(f"no array can be called {_KEY!r}")
        path = self.path(key)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with written_atomically(path) as partial:
                np.savez(partial, allow_pickle=False, **{_KEY: np.array(_text(key)), **arrays})
        except OSError as error:
            raise cannot_write(path, error) from error


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
