"""Initial weights from another run or a checkpoint file, for fine-tuning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from tfgan2 import remote, runs
from tfgan2.errors import UserError
from tfgan2.models.base import GenerativeModel
from tfgan2.training import checkpoints

Shape = tuple[int, ...]
_SHOWN = 12
"""Most weights that are named."""
_STATISTICS = ("moving_mean", "moving_variance", "vector_u")
"""Last parts of the names of weights that no gradient changes."""


def take_weights(model: GenerativeModel, location: str) -> str:
    """Sets the weights of a new model to those in a checkpoint, where kind and shape fit.

    All else begins anew: steps, optimizers, seeds and the state of regularizers.

    Args:
        model: with fresh weights.
        location: a run, local or remote, whose newest checkpoint counts, or an `.npz` of one.

    Returns:
        A line that says how many weights were taken and names the others.

    Raises:
        UserError: there is no checkpoint, it is damaged, no kernel fits, or a weight does not that
            `freeze_d` keeps.
    """
    checkpoint, hyperparameters = _read(location)
    weights = {
        name: variable
        for name, variable in model.weights_by_name().items()
        if np.issubdtype(variable.dtype, np.floating)
        and (variable.trainable or not name.startswith("model/"))
    }
    shapes = {name: tuple(variable.shape) for name, variable in weights.items()}
    sources = _sources(shapes, {name: array.shape for name, array in checkpoint.arrays.items()})
    taken: set[str] = set()
    fresh: dict[str, str] = {}
    for name, variable in weights.items():
        array = checkpoint.arrays[sources[name]] if name in sources else None
        fits = array is not None and array.shape == shapes[name]
        if fits and model.takes_weight(name, hyperparameters):
            variable.assign(array)
            taken.add(name)
        else:
            there = "" if array is None or fits else f", there {array.shape}"
            fresh[name] = f"{name} {shapes[name]}{there}"
    frozen = [
        name
        for name in fresh
        if name.startswith("discriminator/")
        and not weights[name].trainable
        and _kind(name) not in _STATISTICS
    ]
    if frozen:
        raise UserError(
            f"freeze_d keeps {frozen[0]}, which {location} does not have like this: lower freeze_d"
        )
    if all(len(shapes[name]) < 2 for name in taken):  # biases of one length are in any network
        raise UserError(
            f"no kernel of {location} fits this {type(model).__name__}: give a run whose networks "
            "are like these"
        )
    for name in [name for name in fresh if name.startswith("ema_")]:
        source = name.removeprefix("ema_")
        if source in taken:  # without an average there, it begins at the weights
            weights[name].assign(weights[source])
            del fresh[name]
    if (lookahead := getattr(model, "lookahead", None)) is not None:
        lookahead.restart()
    more = f" and {len(fresh) - _SHOWN} more" if len(fresh) > _SHOWN else ""
    rest = f"; fresh: {', '.join(list(fresh.values())[:_SHOWN])}{more}" if fresh else ""
    number = len(weights) - len(fresh)
    return f"weights: {number} of {len(weights)} from {location}, step {checkpoint.step:,}{rest}"


def _sources(shapes: Mapping[str, Shape], shapes_there: Mapping[str, Shape]) -> dict[str, str]:
    """Returns the names there of weights, by their names; a few are of another shape.

    Names count the weights of a network, so one layer more, as for classes, changes all behind it.
    Therefore the longest runs of equal kinds and shapes belong together, in the order of layers.
    """
    sources: dict[str, str] = {}
    for network in dict.fromkeys(name.partition("/")[0] for name in shapes):
        ours, theirs = (
            [name for name in each if name.partition("/")[0] == network]
            for each in (shapes, shapes_there)
        )
        matcher = SequenceMatcher(
            a=_kinds(theirs, shapes_there), b=_kinds(ours, shapes), autojunk=False
        )
        for _, first, last, begin, end in matcher.get_opcodes():
            # From the end on: what is added mostly comes first.
            for source, name in zip(theirs[first:last][::-1], ours[begin:end][::-1], strict=False):
                if _kind(source) == _kind(name):
                    sources[name] = source
    return sources


def _kind(name: str) -> str:
    return name.rpartition("/")[2]


def _kinds(names: Iterable[str], shapes: Mapping[str, Shape]) -> list[tuple[str, Shape]]:
    return [(_kind(name), shapes[name]) for name in names]


def _read(location: str) -> tuple[checkpoints.Checkpoint, Mapping[str, Any]]:
    """A checkpoint, and the hyperparameters of its run, none of an `.npz`."""
    if not location.endswith(".npz"):
        run_dir = remote.local_copy(location)
        hyperparameters = runs.RunConfig.read(run_dir).hyperparameters
        return checkpoints.choose(run_dir, runs.NEWEST), hyperparameters
    path = remote.local_file(location)
    if not path.is_file():
        raise UserError(f"no such checkpoint: {location}")
    return checkpoints.read(path), {}
