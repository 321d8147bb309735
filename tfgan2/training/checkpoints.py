"""Checkpoints: one .npz each, holding every number that the next step depends on.

A .npz is a zip: its checksums tell a damaged file from a good one, NumPy alone opens it, and it
does not depend on how many replicas wrote it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.files import abandoned, written_atomically
from tfgan2.runs import BEST, NEWEST

if TYPE_CHECKING:
    import keras

_NAME = re.compile(r"step-(\d+)\.npz")
_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError)


@dataclass
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        path: the file.
        step: updates done.
        arrays: by the names of `GenerativeModel.state`.
        extra: what the loop needs beside the model; JSON.
    """

    path: Path
    step: int
    arrays: dict[str, np.ndarray]
    extra: dict[str, Any] = field(default_factory=dict)


def folder(run: Path) -> Path:
    return run / "checkpoints"


def paths(run: Path) -> list[Path]:
    """A run's checkpoint files, the newest first."""
    found = [(int(m[1]), p) for p in folder(run).glob("*.npz") if (m := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found, reverse=True)]


def remove_partial(run: Path) -> None:
    """Removes what a killed process left half-written. Only for the process that holds the lock."""
    pattern = ".*.partial-*"
    # Not in the other folders: an export may be at work beside the training.
    own = [*folder(run).rglob(pattern), *(run / "samples").rglob(pattern)]
    # Here `sample` and `evaluate` may be.
    shared = [*run.glob(pattern), *(run / "evaluation").glob(pattern)]
    for partial in [*own, *filter(abandoned, shared)]:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def save(
    run: Path,
    step: int,
    arrays: Mapping[str, np.ndarray],
    extra: Mapping[str, Any],
    *,
    keep: int,
) -> Path:
    """Writes a checkpoint atomically, then removes all but the newest `keep`.

    Args:
        run: the run directory.
        step: updates done.
        arrays: values of the variables, by name.
        extra: JSON to keep beside them.
        keep: how many of the newest stay.

    Returns:
        The file.

    Raises:
        FloatingPointError: a weight is not finite; nothing is written.
        OSError: the disk refuses; nothing stands under the final name.
    """
    path = _write(folder(run) / f"step-{step:07d}.npz", step, arrays, extra)
    for old in paths(run)[keep:]:
        old.unlink()
    return path


def save_best(
    run: Path, step: int, arrays: Mapping[str, np.ndarray], extra: Mapping[str, Any]
) -> Path:
    """Writes the best checkpoint, in place of the one before; as `save`."""
    return _write(best_path(run), step, arrays, extra)


def best_path(run: Path) -> Path:
    """Where the checkpoint stands that is best by a run's metric."""
    return folder(run) / f"{BEST}.npz"


def _write(
    path: Path, step: int, arrays: Mapping[str, np.ndarray], extra: Mapping[str, Any]
) -> Path:
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise FloatingPointError(name)
    header = json.dumps({"step": step, **extra}).encode()
    path.parent.mkdir(exist_ok=True)
    with written_atomically(path) as partial:
        np.savez(partial, allow_pickle=False, header=np.frombuffer(header, np.uint8), **arrays)
    return path


def read(path: Path) -> Checkpoint:
    """Reads a checkpoint whole, so that every checksum is tested.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        extra = json.loads(arrays.pop("header").tobytes())
        return Checkpoint(path, extra.pop("step"), arrays, extra)
    except _DAMAGE as error:
        raise UserError(f"checkpoint {path} is damaged ({error})") from error


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)


def newest(run: Path, report: Callable[[str], None] = _warn) -> Checkpoint | None:
    """The newest checkpoint that can be read.

    Args:
        run: the run directory.
        report: is told of every damaged file that was passed over.

    Returns:
        The checkpoint, or None where there is no file.

    Raises:
        UserError: there are files, but all are damaged.
    """
    files = paths(run)
    for path in files:
        try:
            return read(path)
        except UserError as error:
            report(f"{error}; using the one before it")
    if files:
        raise UserError(f"all {len(files)} checkpoints in {folder(run)} are damaged")
    return None


def choose(run: Path, which: str) -> Checkpoint:
    """The checkpoint that a user asks for.

    Args:
        run: the run directory.
        which: "newest", "best" or the number of a step.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if which == NEWEST:
        found = newest(run)
        if found is None:
            raise UserError(f"{run} has no checkpoint yet: `tfgan2 fit --resume {run}` makes one")
        return found
    if which == BEST:
        if not best_path(run).exists():
            raise UserError(
                f"{run} has kept no best checkpoint: `tfgan2 fit --evaluate-every` does, newest is "
                "there always"
            )
        return read(best_path(run))
    steps = {int(_NAME.fullmatch(path.name)[1]): path for path in paths(run)}  # type: ignore[index]
    if not which.isdecimal() or int(which) not in steps:
        known = ", ".join([NEWEST, *[BEST] * best_path(run).exists(), *map(str, sorted(steps))])
        raise UserError(f"{run} has no checkpoint {which!r}: choose from {known}")
    return read(steps[int(which)])


def restore(checkpoint: Checkpoint, variables: Mapping[str, keras.Variable]) -> None:
    """Sets variables to what a checkpoint holds of them.

    Args:
        checkpoint: from `newest`.
        variables: by name; the checkpoint may hold more.

    Raises:
        UserError: a name is missing or a shape differs; no variable was changed.
    """
    for name, variable in variables.items():
        found = checkpoint.arrays.get(name)
        if found is None or tuple(found.shape) != tuple(variable.shape):
            was = "is missing" if found is None else f"has shape {found.shape}"
            raise UserError(
                f"checkpoint {checkpoint.path} is of another model: {name} {was}, "
                f"not {tuple(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(checkpoint.arrays[name])
