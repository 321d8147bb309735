"""Names weights by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np


def weights_hash(weights: Iterable[np.ndarray]) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of arrays, their shapes and types."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
