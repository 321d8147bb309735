"""What SECURITY.md says of files that hold code: it is not run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgan2.data import load_dataset
from tfgan2.errors import UserError
from tfgan2.inputs.latents import read_latents
from tfgan2.training import checkpoints


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.makedirs, (str(self.folder), 0o777, True)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("latents.npy", read_latents),
        ("checkpoint.npz", checkpoints.read),
        ("taught.npz", lambda path: load_dataset(f"taught:{path}")),
    ],
)
def test_arrays_with_code_are_refused(
    name: str, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    made, path = tmp_path / "made", tmp_path / name
    array = np.array([Code(made)], dtype=object)
    if path.suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, allow_pickle=True, header=array, facts=array)
    with pytest.raises(UserError):
        read(path)
    assert not made.exists()
    content = np.load(path, allow_pickle=True)
    _ = content if path.suffix == ".npy" else dict(content)
    assert made.exists()
