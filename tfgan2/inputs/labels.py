"""The labels that a conditional generator is given. NumPy only: the runtime uses it, too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfgan2.errors import UserError, unknown

MOST_COLUMNS = 32


def choose_labels(
    count: int, wanted: str | int | Sequence[str | int] | None, class_names: Sequence[str]
) -> np.ndarray | None:
    """Labels for `count` images: the one wanted, or several in turn, or all in turn.

    Args:
        count: how many.
        wanted: a class by name or number, several, or None for all.
        class_names: in the order of the labels; empty for an unconditional generator.

    Returns:
        int32, shape (count,), or None for an unconditional generator.

    Raises:
        UserError: an unknown label, or one for an unconditional generator.
    """
    chosen = [wanted] if isinstance(wanted, str | int) else list(wanted or [])
    if not class_names:
        if chosen:
            raise UserError("this generator takes no labels: it is unconditional")
        return None
    numbers = [_number(item, class_names) for item in chosen] or range(len(class_names))
    return np.resize(np.asarray(numbers, np.int32), count)


def check_labels(labels: np.ndarray | None, count: int, num_labels: int) -> np.ndarray | None:
    """Labels in the type that generators take.

    Args:
        labels: whole numbers from 0 to num_labels - 1, shape (count,), or None.
        count: how many are needed.
        num_labels: how many the generator tells apart, 0 for an unconditional one.

    Returns:
        The same, int32; None for an unconditional generator.

    Raises:
        UserError: another shape, a label out of range, labels that are missing or not wanted.
    """
    if not num_labels:
        if labels is not None:
            raise UserError("this generator takes no labels: it is unconditional")
        return None
    if labels is None:
        raise UserError(f"this generator needs labels, whole numbers from 0 to {num_labels - 1}")
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise UserError(f"labels must have the shape ({count},), not {labels.shape}")
    # The embedding of a label out of range is whatever lies behind the table: no library reports
    # it.
    if labels.size and (labels.dtype.kind not in "iu" or labels.min() < 0):
        raise UserError(f"labels must be whole numbers from 0 to {num_labels - 1}")
    if labels.size and labels.max() >= num_labels:
        raise UserError(
            f"label {labels.max()} is out of range: this generator has {num_labels} classes, "
            f"0 to {num_labels - 1}"
        )
    return np.ascontiguousarray(labels, np.int32)


def _number(label: str | int, class_names: Sequence[str]) -> int:
    if label in class_names:
        return list(class_names).index(str(label))
    # A class may itself be called "7", so names come first.
    if str(label).isdecimal() and int(label) < len(class_names):
        return int(label)
    raise unknown("label", str(label), class_names)


def label_columns(num_labels: int) -> int | None:
    """How wide a grid is whose labels take turns: a column each, None where that is no help."""
    return num_labels if 2 <= num_labels <= MOST_COLUMNS else None


def grid_count(num_labels: int, about: int = 64) -> int:
    """How many images make whole rows of such a grid, about so many; at least one row."""
    columns = label_columns(num_labels) or 1
    return max(1, round(about / columns)) * columns
