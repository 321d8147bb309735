"""Checkpoint files: one .npz each, holding every number that the next step depends on.

A .npz is a zip file: its checksums reveal damage, NumPy alone opens it, and it does not depend on
how many replicas wrote it.
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
from tfgan2.files import is_abandoned, written_atomically

if TYPE_CHECKING:
    import keras

_NAME = re.compile(r"step-(\d+)\.npz")
_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError)


@dataclass
class Checkpoint:
    """Contents of a checkpoint file.

    Attributes:
        path: the file.
        step: number of steps done.
        arrays: values of the variables, by the names of `GenerativeModel.state`.
        extra: state of the callbacks; JSON.
    """

    path: Path
    step: int
    arrays: dict[str, np.ndarray]
    extra: dict[str, Any] = field(default_factory=dict)


def folder(run_dir: Path) -> Path:
    return run_dir / "checkpoints"


def best_path(run_dir: Path) -> Path:
    """Path of the checkpoint with the best value of the run's metric."""
    return folder(run_dir) / "best.npz"


def paths(run_dir: Path) -> list[Path]:
    """A run's checkpoint files, the newest first."""
    matches = [(_NAME.fullmatch(path.name), path) for path in folder(run_dir).glob("*.npz")]
    return [path for _, path in sorted(((int(m[1]), p) for m, p in matches if m), reverse=True)]


def remove_partial_files(run_dir: Path) -> None:
    """Removes the half-written files of killed processes; call it only while holding the lock."""
    pattern = ".*.partial-*"
    # An export may be running beside the training: leave its folder alone.
    own = [*folder(run_dir).rglob(pattern), *(run_dir / "samples").rglob(pattern)]
    # `sample` and `evaluate` may be writing here.
    shared = [*run_dir.glob(pattern), *(run_dir / "evaluation").glob(pattern)]
    for partial in [*own, *filter(is_abandoned, shared)]:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def save(
    run_dir: Path,
    step: int,
    arrays: Mapping[str, np.ndarray],
    extra: Mapping[str, Any],
    *,
    keep: int,
) -> Path:
    """Writes a checkpoint atomically, then removes all but the newest `keep`.

    Args:
        run_dir: the run directory.
        step: number of steps done.
        arrays: values of the variables, by name.
        extra: JSON to store beside them.
        keep: number of checkpoints to keep.

    Returns:
        The file.

    Raises:
        FloatingPointError: a weight is not finite; nothing is written. The message is its name.
        OSError: the file cannot be written; nothing stands under the final name.
    """
    path = _write(folder(run_dir) / f"step-{step:07d}.npz", step, arrays, extra)
    for old in paths(run_dir)[keep:]:
        old.unlink()
    return path


def save_best(
    run_dir: Path, step: int, arrays: Mapping[str, np.ndarray], extra: Mapping[str, Any]
) -> Path:
    """Replaces the best checkpoint; arguments and errors are those of `save`."""
    return _write(best_path(run_dir), step, arrays, extra)


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
    """Reads a whole checkpoint, which verifies every checksum.

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


def newest(run_dir: Path, report: Callable[[str], None] = _warn) -> Checkpoint | None:
    """Reads the newest checkpoint that is not damaged.

    Args:
        run_dir: the run directory.
        report: called with a message for every damaged file.

    Returns:
        The checkpoint, or None if there is no file.

    Raises:
        UserError: all files are damaged.
    """
    files = paths(run_dir)
    for path in files:
        try:
            return read(path)
        except UserError as error:
            report(f"{error}; using the one before it")
    if files:
        raise UserError(f"all {len(files)} checkpoints in {folder(run_dir)} are damaged")
    return None


def choose(run_dir: Path, which: str) -> Checkpoint:
    """Reads one of a run's checkpoints.

    Args:
        run_dir: the run directory.
        which: "newest", "best" or the number of a step.

    Raises:
        UserError: there is no such checkpoint, or it is damaged.
    """
    if which == "newest":
        checkpoint = newest(run_dir)
        if checkpoint is None:
            raise UserError(f"{run_dir} has no checkpoint yet: resume the run")
        return checkpoint
    best = best_path(run_dir)
    if which == "best":
        if not best.exists():
            raise UserError(
                f"{run_dir} has kept no best checkpoint: use the newest, or train with evaluations"
            )
        return read(best)
    steps = {str(int(path.stem.removeprefix("step-"))): path for path in paths(run_dir)}
    if which not in steps:
        known = ", ".join(["newest", *["best"] * best.exists(), *sorted(steps, key=int)])
        raise UserError(f"{run_dir} has no checkpoint {which!r}: choose from {known}")
    return read(steps[which])


def restore(checkpoint: Checkpoint, variables: Mapping[str, keras.Variable]) -> None:
    """Sets variables to the values in a checkpoint.

    Args:
        checkpoint: from `newest` or `choose`.
        variables: by name; the checkpoint may hold more.

    Raises:
        UserError: a name is missing or a shape differs; no variable was changed.
    """
    for name, variable in variables.items():
        array = checkpoint.arrays.get(name)
        if array is None or tuple(array.shape) != tuple(variable.shape):
            state = "is missing" if array is None else f"has shape {array.shape}"
            raise UserError(
                f"checkpoint {checkpoint.path} is of another model: {name} {state}, "
                f"not {tuple(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(checkpoint.arrays[name])
