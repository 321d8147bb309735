"""Labels for conditional generators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from tfgan2.errors import UserError, unknown

MAX_COLUMNS = 32

_UNCONDITIONAL = "this generator takes no labels: leave them out"


def choose_labels(
    count: int, label: str | int | Sequence[str | int] | None, class_names: Sequence[str]
) -> np.ndarray | None:
    """Returns labels for `count` images, int32: the given one, or several in turn, or all in turn.

    `label` is a class by name or number, several, or None for all. An unconditional generator has
    no class names, takes no label and gets None.

    Raises:
        UserError: an unknown label, or one for an unconditional generator.
    """
    chosen = [label] if isinstance(label, str | int) else list(label or [])
    if chosen and not class_names:
        raise UserError(_UNCONDITIONAL)
    if not class_names:
        return None
    numbers = [class_number(str(item), class_names, kind="label") for item in chosen]
    return np.resize(np.asarray(numbers or range(len(class_names)), np.int32), count)


def in_proportion(frequencies: Sequence[int], count: int) -> np.ndarray:
    """Returns `count` labels, int32, each as frequent as given and evenly spread."""
    exact = np.asarray(frequencies) / np.sum(frequencies) * count
    counts = exact.astype(int)
    missing = count - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    places = np.concatenate([(np.arange(each) + 0.5) / each for each in counts])
    return labels[np.argsort(places, kind="stable")]


def class_number(item: str, class_names: Sequence[str], *, kind: str = "class") -> int:
    """Returns the number of a class that is given by its name or number.

    A class may itself be called "7", so names come first. `kind` says what errors call it.
    """
    if item in class_names:
        return list(class_names).index(item)
    if item.isdecimal() and int(item) < len(class_names):
        return int(item)
    more = f" … or a number up to {len(class_names) - 1}" if len(class_names) > 20 else ""
    hint = f"choose from {', '.join(class_names[:20])}{more}"
    raise unknown(kind, item, class_names, hint=hint)


def check_labels(labels: np.ndarray | None, count: int, num_labels: int) -> np.ndarray | None:
    """Returns `count` labels as int32; None if `num_labels` is 0: an unconditional generator.

    Raises:
        UserError: another shape, a label out of range, missing or superfluous labels.
    """
    if not num_labels and labels is not None:
        raise UserError(_UNCONDITIONAL)
    if not num_labels:
        return None
    allowed = f"whole numbers from 0 to {num_labels - 1}"
    if labels is None:
        raise UserError(f"this generator needs labels, {allowed}")
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise UserError(f"labels must have the shape ({count},), not {labels.shape}")
    # No library reports a label out of range: it reads whatever lies behind the embedding table.
    if labels.size and (labels.dtype.kind not in "iu" or labels.min() < 0):
        raise UserError(f"labels must be {allowed}")
    if labels.size and labels.max() >= num_labels:
        raise UserError(
            f"label {labels.max()} is out of range: this generator has {num_labels} classes, "
            f"0 to {num_labels - 1}"
        )
    return np.ascontiguousarray(labels, np.int32)


def label_columns(num_labels: int) -> int | None:
    """Returns the columns of a grid whose labels take turns, one each; None for 1 or over 32."""
    return num_labels if 2 <= num_labels <= MAX_COLUMNS else None


def grid_count(num_labels: int, about: int = 64) -> int:
    """Returns a number of images near `about` that fills the rows of such a grid, at least one."""
    columns = label_columns(num_labels) or 1
    return max(1, round(about / columns)) * columns


def check_weights(weights: np.ndarray, count: int, num_labels: int) -> np.ndarray:
    """Returns weights of labels, which mix classes, as float32 of shape (count, num_labels).

    Raises:
        UserError: another shape, or weights that are not finite real numbers.
    """
    if not num_labels:
        raise UserError(_UNCONDITIONAL)
    if weights.shape != (count, num_labels) or weights.dtype.kind not in "fiu":
        raise UserError(
            f"{count} latents need labels of shape ({count},), or weights of shape "
            f"({count}, {num_labels}), not {weights.shape}"
        )
    weights = weights.astype(np.float32)
    if not np.isfinite(weights).all():
        raise UserError("the weights of labels must be finite numbers")
    return weights


def class_walk(labels: Sequence[int] | np.ndarray, num_labels: int, steps: int) -> np.ndarray:
    """Returns weights that lead from each of `labels`, n >= 2, to the next in equal steps.

    float32, shape ((n - 1) * steps + 1, num_labels): each row sums to 1, and the last is the last
    label alone.
    """
    corners = np.eye(num_labels, dtype=np.float32)[np.asarray(labels)]
    ways = np.arange(steps, dtype=np.float32)[:, None] / steps
    legs = [(1 - ways) * a + ways * b for a, b in itertools.pairwise(corners)]
    return np.concatenate([*legs, corners[-1:]])
