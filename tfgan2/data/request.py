"""The options of `load_dataset`, and what every loader does with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from tfgan2 import remote
from tfgan2.data.catalogue import BUILT_IN, POINTS, TFDS, YOURS, entry_of
from tfgan2.data.dataset import ImageDataset, cpu_count
from tfgan2.data.naming import advice, check_name
from tfgan2.errors import UserError
from tfgan2.inputs.labels import class_number
from tfgan2.options import DataOptions

Progress = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and the total."""

MEMORY_LIMIT = 2**30
"""Bytes of pixels up to which `cache="auto"` keeps a dataset in memory."""

MOST_PENDING = 64
"""Files in memory at a time; photographs may have megabytes each."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Request(DataOptions):
    """The options of `load_dataset`, checked as far as that needs no data."""

    progress: Progress = lambda text, done, total: None

    def __post_init__(self) -> None:
        if self.classes is not None:
            self.classes = [str(item) for item in self.classes]
        if self.data_dir is not None:
            self.data_dir = remote.absolute(str(self.data_dir))
        check_name(self.name)
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
                raise UserError(f"dataset {self.name!r} {problem}", f": leave --{flag} out")
        self.check()
        if entry.source == YOURS and remote.is_remote(self.name):
            raise UserError(f"'{self.path}' is not on this machine: {advice(self.path)}")

    @property
    def path(self) -> str:
        """The part of the name behind the prefix, as in "folder:PATH"."""
        return self.name.partition(":")[2]

    def fits_memory(self, num_images: int, image_shape: tuple[int, int, int]) -> bool:
        """Returns whether uint8 images of this shape are to be held in memory."""
        if self.cache == "auto":
            return num_images * int(np.prod(image_shape)) <= MEMORY_LIMIT
        return self.cache == "memory"

    def in_threads(self, function: Callable[[T], R], items: Sequence[T], text: str) -> Iterator[R]:
        """Yields `function(item)` for each item in order, computed in threads; shows progress."""
        pending: deque[Future[R]] = deque()
        with ThreadPoolExecutor(cpu_count()) as pool:
            for number, item in enumerate(items):
                if number % MOST_PENDING == 0:
                    self.progress(text, number, len(items))
                pending.append(pool.submit(function, item))
                if len(pending) == MOST_PENDING:
                    yield pending.popleft().result()
            yield from (future.result() for future in pending)
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
        """Raises a UserError unless some of `count` samples remain to train on."""
        if self.hold_out and self.hold_out >= count:
            raise UserError(
                f"dataset {self.name!r} has {count} samples, of which {self.hold_out} cannot be "
                "held out",
                f": give --hold-out {max(0, count - 1)} or less",
            )

    def choose_classes(self, known: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
        """Returns the names of the classes to keep, and the new label, int32, of each known one.

        `known` are the names of all classes, () without labels. Label -1: leave it out.
        """
        if self.classes is None:
            return tuple(known), np.arange(len(known), dtype=np.int32)
        if not known:
            raise UserError(f"dataset {self.name!r} has no labels", ": leave --classes out")
        if not self.classes:
            raise UserError("no classes given: name at least one", ", or leave --classes out")
        numbers = [class_number(item, known) for item in self.classes]
        if twice := [number for number in numbers if numbers.count(number) > 1]:
            raise UserError(f"class {known[twice[0]]!r} is given twice: give each class once")
        labels = np.full(len(known), -1, np.int32)
        labels[numbers] = np.arange(len(numbers))
        return tuple(known[number] for number in numbers), labels


def build(
    request: Request,
    count: int,
    part: Callable[[np.ndarray, np.ndarray | None], ImageDataset],
    *,
    known: Sequence[str] = (),
    labels: np.ndarray | None = None,
) -> ImageDataset:
    """Builds a dataset of the chosen of `count` samples, and another of those held out.

    `part` makes a dataset of some samples from their numbers and their new labels, int32. `known`
    are the names of all classes, () without labels; `labels` has the shape (count,).
    """
    names, new_labels = request.choose_classes(known)
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
