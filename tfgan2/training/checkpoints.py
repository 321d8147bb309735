"""Checkpoint files: one .npz each, with every number that the next step depends on."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import TrainingDivergedError, UserError
from tfgan2.files import is_abandoned, remove, written_atomically

if TYPE_CHECKING:
    import keras

_NAME = re.compile(r"step-(\d+)\.npz")


@dataclass
class Checkpoint:
    """What a file holds: variables by the names of `GenerativeModel.state`; states of callbacks."""

    path: Path
    step: int
    arrays: dict[str, np.ndarray]
    extra: dict[str, Any]


def folder(run_dir: Path) -> Path:
    return run_dir / "checkpoints"


def paths(run_dir: Path) -> list[Path]:
    """A run's checkpoint files, the newest first."""
    found = [path for path in folder(run_dir).glob("*.npz") if _NAME.fullmatch(path.name)]
    return sorted(found, key=step_of, reverse=True)


def step_of(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def remove_partial_files(run_dir: Path) -> None:
    """Removes the half-written files of killed processes; call it only while holding the lock."""
    pattern = ".*.partial-*"
    # An export may be running beside the training: leave its folder alone.
    own = [*folder(run_dir).rglob(pattern), *(run_dir / "samples").rglob(pattern)]
    # `sample` and `evaluate` may be writing here.
    shared = [*run_dir.glob(pattern), *(run_dir / "evaluation").glob(pattern)]
    for partial in [*own, *filter(is_abandoned, shared)]:
        remove(partial)


def diverged(event: str, run_dir: Path) -> TrainingDivergedError:
    """Makes the error, which names the last good checkpoint."""
    state, advice = "there is no checkpoint yet", "lower the learning rates"
    if good := paths(run_dir):
        state = f"the last good checkpoint is {good[0]}"
        advice = "begin another run with its weights and lower learning rates"
    return TrainingDivergedError(f"{event}, {state}: {advice}, or try another seed")


def check_finite(run_dir: Path, step: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises a TrainingDivergedError if a weight is not finite."""
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise diverged(f"{name} is not finite after step {step}", run_dir)


def save(
    run_dir: Path,
    step: int,
    arrays: Mapping[str, np.ndarray],
    extra: Mapping[str, Any],
    *,
    keep: int = 3,
    best: bool = False,
) -> Path:
    """Writes a checkpoint atomically, then removes all but the newest `keep`; returns the file.

    With `best`, replaces the best checkpoint, which is kept beside them.
    """
    path = folder(run_dir) / ("best.npz" if best else f"step-{step:07d}.npz")
    header = json.dumps({"step": step, **extra}).encode()
    with written_atomically(path, parents=True) as partial:
        np.savez(partial, allow_pickle=False, header=np.frombuffer(header, np.uint8), **arrays)
    for old in paths(run_dir)[keep:]:
        old.unlink()
    return path


def read(path: Path) -> Checkpoint:
    """Reads a whole checkpoint, which verifies every checksum; a damaged one is a UserError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        if "header" not in arrays:
            raise ValueError("it is no checkpoint of a run")
        extra = json.loads(arrays.pop("header").tobytes())
        return Checkpoint(path, extra.pop("step"), arrays, extra)
    except MemoryError:
        raise
    except Exception as error:  # damaged zip files raise a dozen types
        raise UserError(f"checkpoint {path} is damaged ({error})") from error


def newest(
    run_dir: Path, report: Callable[[str], None] = lambda text: print(text, file=sys.stderr)
) -> Checkpoint | None:
    """Reads the newest checkpoint that is not damaged; returns None if there is no file.

    Calls `report` with a warning for every damaged file. If all are, raises a UserError.
    """
    files = paths(run_dir)
    for path in files:
        try:
            return read(path)
        except UserError as error:
            if not path.exists():  # a training has written a newer one, and removed this one
                return newest(run_dir, report)
            report(f"warning: {error}; using the one before it")
    if files:
        raise UserError(f"all {len(files)} checkpoints in {folder(run_dir)} are damaged")
    return None


def choose(run_dir: Path, which: str) -> Checkpoint:
    """Reads a checkpoint: "newest", "best" or the number of a step; a UserError without it."""
    if which == "newest" and (checkpoint := newest(run_dir)):
        return checkpoint
    files = {str(step_of(path)): path for path in reversed(paths(run_dir))}
    files |= {path.stem: path for path in folder(run_dir).glob("best.npz")}
    if which in files:
        return read(files[which])
    problems = {
        "newest": "has no checkpoint yet: resume the run",
        "best": "has kept no best checkpoint: use the newest, or train with evaluations",
    }
    other = f"has no checkpoint {which!r}: choose from {', '.join(['newest', *files])}"
    raise UserError(f"{run_dir} {problems.get(which, other)}")


def restore(checkpoint: Checkpoint, variables: Mapping[str, keras.Variable]) -> None:
    """Sets variables, by name, to the values in a checkpoint, which may hold more.

    If a name is missing or a shape differs, raises a UserError and changes no variable.
    """
    for name, variable in variables.items():
        array = checkpoint.arrays.get(name)
        if array is None or array.shape != tuple(variable.shape):
            state = "is missing" if array is None else f"has shape {array.shape}"
            raise UserError(
                f"checkpoint {checkpoint.path} is of another model: {name} {state}, "
                f"not {tuple(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(checkpoint.arrays[name])
