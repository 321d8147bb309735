"""The options of `load_dataset`, and what every loader does with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import numpy as np

from tfgan2 import remote
from tfgan2.data.catalogue import BUILT_IN, POINTS, TFDS, YOURS, entry_of
from tfgan2.data.dataset import ImageDataset, cpu_count
from tfgan2.errors import UserError
from tfgan2.inputs.labels import class_number

Progress = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and the total."""

Cache = Literal["auto", "memory", "stream"]
CACHES = get_args(Cache)

MEMORY_LIMIT = 2**30
"""Bytes of pixels up to which `cache="auto"` keeps a dataset in memory."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Request:
    """The options of `load_dataset`, checked as far as that needs no data."""

    name: str
    image_size: int | None = None
    channels: int | None = None
    classes: tuple[str, ...] | None = None
    split: str | None = None
    data_dir: str | None = None
    cache: Cache = "auto"
    skip_unreadable: bool = False
    hold_out: int = 0
    direction: str = "AtoB"
    progress: Progress = lambda text, done, total: None

    def __post_init__(self) -> None:
        entry, points = entry_of(self.name), self.name in POINTS
        images = entry.kind == "images"
        for option, fits, problem in (
            ("image_size", not points, "holds points, not images"),
            ("channels", not points, "holds points, not images"),
            ("split", images and entry.source == TFDS, "has no splits"),
            ("classes", images or entry.source == BUILT_IN, "has no labels"),
            ("direction", entry.kind in ("pairs", "unpaired"), "is not paired"),
        ):
            if not fits and getattr(self, option) != getattr(Request, option):
                flag = option.replace("_", "-")
                raise UserError(f"dataset {self.name!r} {problem}: leave --{flag} out")
        size = self.image_size
        if size is not None and (type(size) is not int or not 4 <= size <= 1024):
            raise UserError(
                f"image size {size} is not possible: give a whole number from 4 to 1024"
            )
        if self.channels not in (None, 1, 3, 4):
            raise UserError(
                f"{self.channels} channels are not possible: give 1 (grey), 3 (RGB) or 4 (RGBA)"
            )
        if self.cache not in CACHES:
            raise UserError(f"unknown cache {self.cache!r}: choose from {', '.join(CACHES)}")
        if self.hold_out < 0:
            raise UserError(f"--hold-out must be 0 or more, not {self.hold_out}")
        if self.direction not in ("AtoB", "BtoA"):
            raise UserError(f"direction {self.direction!r} is not possible: give AtoB or BtoA")
        if entry.source == YOURS and remote.is_remote(self.name):
            raise UserError(
                f"{self.name!r} is not on this machine: copy it here; only --data-dir may be remote"
            )

    @property
    def path(self) -> str:
        """The part of the name behind the prefix, as in "folder:PATH"."""
        return self.name.partition(":")[2]

    def fits_memory(self, num_images: int, image_shape: tuple[int, int, int]) -> bool:
        """Returns whether uint8 images of this shape are to be held in memory."""
        if self.cache == "auto":
            return num_images * int(np.prod(image_shape)) <= MEMORY_LIMIT
        return self.cache == "memory"

    def in_threads(
        self, function: Callable[[T], R], items: Sequence[T], text: str, chunk: int = 512
    ) -> Iterator[R]:
        """Yields `function(item)` for each item in order, computed in threads.

        The progress shows the text; `chunk` items at a time bound the memory of their results.
        """
        with ThreadPoolExecutor(cpu_count()) as pool:
            for begin in range(0, len(items), chunk):
                self.progress(text, begin, len(items))
                yield from pool.map(function, items[begin : begin + chunk])
        self.progress(text, len(items), len(items))

    def held_out(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the indices to train on and those held out, drawn evenly; both ascending."""
        if not self.hold_out:
            return np.arange(count), np.arange(0)
        self.check_held_out(count)
        # RandomState: NumPy promises that its draws stay the same.
        order = np.random.RandomState(0).permutation(count)
        return np.sort(order[self.hold_out :]), np.sort(order[: self.hold_out])

    def check_held_out(self, count: int) -> None:
        """Raises a UserError unless samples remain to train on."""
        if self.hold_out >= count:
            raise UserError(
                f"dataset {self.name!r} has {count} samples, of which {self.hold_out} cannot be "
                f"held out: give --hold-out {max(0, count - 1)} or less"
            )


def build(
    request: Request,
    count: int,
    part: Callable[[np.ndarray, np.ndarray | None], ImageDataset],
    *,
    known: Sequence[str] = (),
    labels: np.ndarray | None = None,
) -> ImageDataset:
    """Builds a dataset of the samples of the chosen classes, and another of those held out.

    Args:
        request: chooses the classes and the number held out.
        count: number of all samples.
        part: makes the dataset of some samples; takes their numbers, and their new labels, int32.
        known: the names of all classes; () without labels.
        labels: shape (count,), or None.
    """
    names, new_labels = choose_classes(request.classes, known, name=request.name)
    numbers = np.arange(count)
    if labels is not None:
        labels = new_labels[labels]
        numbers = np.flatnonzero(labels >= 0)
        if not len(numbers):
            name = request.name
            raise UserError(f"dataset {name!r} holds no images of these classes: choose others")

    def dataset(indices: np.ndarray, held_out: ImageDataset | None = None) -> ImageDataset:
        chosen = numbers[indices]
        made = part(chosen, None if labels is None else labels[chosen])
        return replace(made, class_names=names, held_out=held_out)

    training, rest = request.held_out(len(numbers))
    return dataset(training, dataset(rest) if len(rest) else None)


def choose_classes(
    chosen: Sequence[str] | None, known: Sequence[str], *, name: str
) -> tuple[tuple[str, ...], np.ndarray]:
    """Returns the names of the classes to keep, and the new label of each known one, int32, or -1.

    Args:
        chosen: names or numbers in the order of the new labels, a name first where both fit; None
            for all.
        known: the names of all classes; () without labels.
        name: the dataset's name, for the errors.

    Raises:
        UserError: an unknown class, one given twice, or classes of a dataset without labels.
    """
    if chosen is None:
        return tuple(known), np.arange(len(known), dtype=np.int32)
    if not known:
        raise UserError(f"dataset {name!r} has no labels: leave --classes out")
    if not chosen:
        raise UserError("no classes given: name at least one, or leave --classes out")
    numbers: list[int] = []
    for item in chosen:
        number = class_number(item, known)
        if number in numbers:
            raise UserError(f"class {known[number]!r} is given twice: give each class once")
        numbers.append(number)
    labels = np.full(len(known), -1, np.int32)
    labels[numbers] = np.arange(len(numbers))
    return tuple(known[number] for number in numbers), labels
