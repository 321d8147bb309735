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
