"""The options of `load_dataset`, and what every loader does with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tfgan2 import remote
from tfgan2.data.catalogue import BUILT_IN, HUB, PIPELINE, POINTS, TFDS, YOURS, entry_of
from tfgan2.data.dataset import ImageDataset, cpu_count
from tfgan2.data.naming import advice, check_name
from tfgan2.errors import UserError
from tfgan2.images.ranges import FULL, Ranges
from tfgan2.inputs.labels import class_number
from tfgan2.options import DataOptions, parse_range, parse_size

if TYPE_CHECKING:
    import tensorflow as tf

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
    """The options of `load_dataset`, checked as far as that needs no data.

    `ranges` are the values known to become black and white, by kind of file: those of
    `value_range` for all kinds, where it is given. `notes` receives lines for the user, on how the
    samples were found. `pipeline` is the `tf.data.Dataset` that the name stands for, if it does.
    """

    progress: Progress = lambda text, done, total: None
    ranges: Ranges = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    pipeline: tf.data.Dataset | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        entry, points = entry_of(self.name), self.name in POINTS
        images, taught = entry.kind == "images", entry.kind == "taught"
        own = entry.source in (BUILT_IN, PIPELINE) or taught
        fixed = "holds the images of a teacher" if taught else "holds points, not images"
        for option, fits, problem in (
            ("image_size", not (points or taught), fixed),
            ("channels", not (points or taught), fixed),
            ("split", (images and entry.source == TFDS) or entry.source == HUB, "has no splits"),
            ("classes", images or entry.source == BUILT_IN, "has no labels"),
            ("direction", entry.kind in ("pairs", "unpaired"), "is not paired"),
            ("value_range", not own, "has a range of its own"),
            ("balance", not taught, "has its labels in turn"),
        ):
            if not fits and np.any(getattr(self, option) != getattr(Request, option)):
                flag = option.replace("_", "-")
                raise UserError(f"dataset {self.name!r} {problem}", f": leave --{flag} out")
        self.check()
        if self.classes is not None:
            self.classes = [str(item) for item in self.classes]
        if self.data_dir is not None:
            self.data_dir = remote.absolute(self.data_dir)
        if self.value_range is not None:
            self.ranges = dict.fromkeys(FULL, parse_range(self.value_range))
        if entry.source == YOURS and remote.is_remote(self.name):
            raise UserError(f"'{self.path}' is not on this machine: {advice(self.path)}")

    @property
    def path(self) -> str:
        """The part of the name behind the prefix, as in "folder:PATH"."""
        return self.name.partition(":")[2]

    def edges(self, default: int | str) -> tuple[int, int]:
        """Height and width of the images, by default of a square."""
        return parse_size(self.image_size or default)

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

    def held_out(
        self, count: int, copies: Callable[[], np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the indices to train on and those held out, drawn evenly; both ascending.

        `copies` returns for each sample a number that its copies share, 0 to count - 1. They are
        held out together or not at all.
        """
        if not self.hold_out:
            return np.arange(count), np.arange(0)
        self.check_held_out(count)
        # RandomState: NumPy promises that its draws stay the same.
        order = np.random.RandomState(0).permutation(count)
        groups = np.arange(count) if copies is None else copies()
        sizes, left = np.bincount(groups, minlength=count), self.hold_out
        chosen = np.zeros(count, bool)
        for group in dict.fromkeys(groups[order].tolist()):
            if sizes[group] <= left:
                chosen[group] = True
                left -= sizes[group]
            if not left:
                break
        training, rest = np.flatnonzero(~chosen[groups]), np.flatnonzero(chosen[groups])
        if not len(rest):
            least = sizes[sizes > 0].min()
            raise UserError(
                f"every sample of {self.name!r} has copies, which are held out together",
                f": give --hold-out {f'{least} or more' if least < count else 0}",
            )
        if extra := count - np.count_nonzero(sizes):
            fewer = f": {len(rest):,} held out, not {self.hold_out:,}" if left else ""
            self.notes.append(
                f"{extra:,} of {count:,} samples are copies of others; copies are held out "
                f"together or not at all{fewer}"
            )
        return training, rest

    def kept(self, names: Sequence[str], columns: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the indices of the samples to train on that share no value with those held out.

        `names` are those of the samples to train on. Columns have the values of these, then those
        of the samples that are held out.
        """
        count = len(names)
        copied = np.any([np.isin(each[:count], each[count:]) for each in columns], axis=0)
        left_out = np.flatnonzero(copied)
        if len(left_out):
            first = names[left_out[0]]
            if len(left_out) == count:
                raise UserError(
                    f"all {count:,} samples are also held out, the first is {first!r}: hold out "
                    "others"
                )
            self.notes.append(
                f"left {len(left_out):,} of {count:,} samples out of training because they are "
                f"also held out, the first: {first}"
            )
        return np.flatnonzero(~copied)

    def check_held_out(self, count: int) -> None:
        """Raises a UserError unless some of `count` samples remain to train on."""
        if self.hold_out and self.hold_out >= count:
            raise UserError(
                f"dataset {self.name!r} has {count} samples, of which {self.hold_out} cannot be "
                "held out",
                f": give --hold-out {count - 1} or fewer" if count > 1 else ": give --hold-out 0",
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
    copies: Callable[[], np.ndarray] | None = None,
    called: Sequence[str] = (),
    held_out: int = 0,
) -> ImageDataset:
    """Builds a dataset of the chosen of `count` samples, and another of those held out.

    `part` makes a dataset of some samples from their numbers and their new labels, int32. `known`
    are the names of all classes, () without labels; `labels` has the shape (count,). `copies`
    returns for each sample a number that its copies share. Samples are `called` so, also among
    those that `part` skips. The last `held_out` samples are those held out; if 0, the request says
    how many.
    """
    names, new_labels = request.choose_classes(known)
    numbers = np.arange(count)
    if labels is not None:
        labels = new_labels[labels]
        numbers = np.flatnonzero(labels >= 0)
    first_rest = int(np.searchsorted(numbers, count - held_out))
    if not first_rest:
        raise UserError(f"dataset {request.name!r} holds no images of these classes: choose others")

    def dataset(indices: np.ndarray, rest: ImageDataset | None = None) -> ImageDataset:
        chosen = numbers[indices]
        own = None if labels is None else labels[chosen]
        made = part(chosen, own)
        if own is not None and made.skipped:
            skipped = set(made.skipped)
            own = own[[called[number] not in skipped for number in chosen]]
        counts = () if own is None else np.bincount(own, minlength=len(names)).tolist()
        return replace(made, class_names=names, class_counts=tuple(counts), held_out=rest)

    def chosen_copies() -> np.ndarray:
        assert copies is not None
        return np.unique(copies()[numbers], return_inverse=True)[1]

    if held_out:
        training, rest = np.split(np.arange(len(numbers)), [first_rest])
        groups = chosen_copies() if copies is not None else numbers
        if np.isin(groups[training], groups[rest]).all():
            request.notes.append("all images to train on are also held out: nothing is held out")
            rest = rest[:0]
        else:
            each = [called[number] if called else f"image {number}" for number in numbers[training]]
            training = request.kept(each, [groups])
    else:
        training, rest = request.held_out(len(numbers), copies and chosen_copies)
    return dataset(training, dataset(rest) if len(rest) else None)
