"""Files of arrays that are expensive to compute: reference features and trained classifiers."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import Timeout

from tfgan2.errors import UserError, warn
from tfgan2.files import lock_for, written_atomically

_KEY = "cache_key"


class CachedArrays:
    """Arrays in a file of a directory, which is created when something is saved.

    The key is JSON of everything that the arrays depend on. A hash of it is in the file's name; the
    key itself is in the file and compared, so that a hash collision gives no wrong arrays.
    """

    def __init__(self, directory: Path, kind: str, key: Mapping[str, Any]) -> None:
        self.key = json.dumps(key, sort_keys=True)
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        self.path = directory / f"{kind}-{digest[:24]}.npz"

    def load(self) -> dict[str, np.ndarray] | None:
        """Returns the arrays, or None if there are none or the file is damaged."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            stored = str(arrays.pop(_KEY))
        except Exception:  # damaged zip files raise a dozen types
            return None
        return arrays if stored == self.key else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Waits until no other process of this machine computes the arrays, and makes others wait.

        Call `load` again in the block: the other process may have saved them.
        """
        lock = lock_for(self.path)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(PermissionError):  # another user's lock; it only saves time
                try:
                    stack.enter_context(lock.acquire(timeout=0))
                except Timeout:
                    kind = self.path.name.partition("-")[0]
                    warn(f"waiting for another process that computes the same {kind}")
                    stack.enter_context(lock.acquire())
            yield

    def save(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Stores or replaces the arrays; gives a DataWarning if the file cannot be written."""
        try:
            with written_atomically(self.path, parents=True) as partial:
                np.savez(partial, allow_pickle=False, **{_KEY: np.array(self.key), **arrays})
        except UserError as error:
            warn(f"{error}: set TFGAN2_CACHE to another folder")
