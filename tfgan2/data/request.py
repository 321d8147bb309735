"""The options of `load_dataset`, and what every loader does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.parallel import Progress
from tfgan2.errors import UserError, unknown

Cache = Literal["auto", "memory", "stream"]

MEMORY_LIMIT = 2**30
"""Bytes of pixels up to which `cache="auto"` keeps a dataset in memory."""


@dataclass(frozen=True)
class Request:
    """The options of `load_dataset`, checked as far as that needs no data."""

    name: str
    image_size: int | None
    channels: int | None
    classes: tuple[str, ...] | None
    split: str | None
    data_dir: str | None
    cache: Cache
    skip_unreadable: bool
    hold_out: int
    direction: str
    progress: Progress

    @property
    def path(self) -> str:
        """The part of the name behind the prefix, as in "folder:PATH"."""
        return self.name.partition(":")[2]

    def fits_memory(self, num_images: int, image_shape: tuple[int, int, int]) -> bool:
        """Returns whether uint8 images of this shape are to be held in memory."""
        if self.cache == "auto":
            return num_images * int(np.prod(image_shape)) <= MEMORY_LIMIT
        return self.cache == "memory"


def build(
    request: Request,
    count: int,
    part: Callable[[np.ndarray], tuple[Source, Any, tuple[str, ...]]],
    *,
    image_shape: tuple[int, int, int],
    class_names: tuple[str, ...] = (),
    **options: Any,
) -> ImageDataset:
    """Builds a dataset of `count` samples, of which `request.hold_out` are held out.

    `part(indices)` returns the source of these samples, their content for the fingerprint, and
    the files skipped.
    """

    def dataset(indices: np.ndarray, held_out: ImageDataset | None) -> ImageDataset:
        source, content, skipped = part(indices)
        return ImageDataset(
            source,
            request.name,
            image_shape,
            class_names,
            content,
            skipped=skipped,
            held_out=held_out,
            **options,
        )

    training, rest = held_out_indices(count, request)
    return dataset(training, dataset(rest, None) if len(rest) else None)


def held_out_indices(count: int, request: Request) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices to train on and those held out, drawn evenly; both ascending."""
    if not request.hold_out:
        return np.arange(count), np.arange(0)
    if request.hold_out >= count:
        raise UserError(
            f"dataset {request.name!r} has {count} samples, of which {request.hold_out} cannot be "
            f"held out: give --hold-out {count - 1} or less"
        )
    # RandomState: NumPy promises that its draws stay the same.
    order = np.random.RandomState(0).permutation(count)
    return np.sort(order[request.hold_out :]), np.sort(order[: request.hold_out])


def keep_classes(
    request: Request, known: Sequence[str], labels: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Returns the names of the chosen classes, the int32 labels of their samples, and indices."""
    names, new_labels = choose_classes(request.classes, known, name=request.name)
    labels = new_labels[labels]
    kept = np.flatnonzero(labels >= 0)
    return names, labels[kept], kept


def choose_classes(
    chosen: Sequence[str] | None, known: Sequence[str], *, name: str
) -> tuple[tuple[str, ...], np.ndarray]:
    """Finds the classes to keep, and their new labels.

    Args:
        chosen: names or numbers, a name first where both fit; None for all.
        known: the names of all classes; () without labels.
        name: the dataset's name, for the errors.

    Returns:
        The names of the classes kept, in the order chosen, and an int32 array of shape
        (len(known),): the new label of each old one, or -1.

    Raises:
        UserError: an unknown class, one given twice, or classes of a dataset without labels.
    """
    if chosen is None:
        return tuple(known), np.arange(len(known), dtype=np.int32)
    if not known:
        raise UserError(f"dataset {name!r} has no labels: leave --classes out")
    if not chosen:
        raise UserError("no classes given: name at least one, or leave --classes out")
    labels = np.full(len(known), -1, np.int32)
    names = []
    for new, item in enumerate(chosen):
        if item in known:
            old = list(known).index(item)
        elif item.isascii() and item.isdigit() and int(item) < len(known):
            old = int(item)
        else:
            more = f" … or a number up to {len(known) - 1}" if len(known) > 20 else ""
            hint = f"choose from {', '.join(known[:20])}{more}"
            raise unknown("class", item, known, hint=hint)
        if labels[old] >= 0:
            raise UserError(f"class {known[old]!r} is given twice: give each class once")
        labels[old] = new
        names.append(known[old])
    return tuple(names), labels
