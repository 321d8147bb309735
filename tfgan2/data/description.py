"""Describes a dataset in a few lines, before a training or a pack begins."""

from __future__ import annotations

from collections.abc import Sequence

from tfgan2.data.dataset import ImageDataset
from tfgan2.images import is_points

SIDES = {"pairs": ("inputs", "targets"), "unpaired": ("images A", "images B")}
SHOWN_CLASSES = 8


def describe(dataset: ImageDataset, *, can_change: bool) -> list[str]:
    """Returns lines on the samples, their files, their classes, and how they were found.

    If the user `can_change` options, the range of values names its own.
    """
    can_change &= not dataset.name.startswith("prepared:")  # it may hold scaled images
    noun = "points" if is_points(dataset.image_shape) else "images"
    counts = [_count(each, noun) for each in dataset.sides or (dataset,)]
    held_out = f", {dataset.held_out.num_images:,} held out" if dataset.held_out else ""
    storage = "in memory" if dataset.in_memory else "streamed"
    lines = [f"data: {dataset.name}, {' and '.join(counts)}{held_out}, {storage}"]
    same = len(set(map(str, dataset.surveys))) == 1
    names = ("files",) if same else SIDES.get(dataset.kind, ("files",))
    for name, survey in zip(names, dataset.surveys, strict=False):
        hint = "; --value-range LOW,HIGH sets another range" if survey.ranges and can_change else ""
        height, width = survey.size or dataset.image_shape[:2]
        is_cropped = height != width and dataset.image_shape[0] == dataset.image_shape[1]
        if is_cropped and can_change and dataset.kind == "images":
            hint += f"; they are cropped to squares, --image-size {height}x{width} keeps them whole"
        lines.append(f"{name}: {survey}{hint}")
    if dataset.class_names:
        equally = "; drawn equally often" if dataset.balance else ""
        lines.append(f"classes: {classes(dataset.class_names, dataset.class_counts)}{equally}")
    return [*lines, *dataset.notes]


def classes(names: Sequence[str], counts: Sequence[int] = ()) -> str:
    """Returns the first names, with the numbers of their samples, and how many there are."""
    shown = [f"{name} {count:,}" for name, count in zip(names, counts, strict=False)] or names
    more = f", … ({len(names):,} in all)" if len(names) > SHOWN_CLASSES else ""
    return ", ".join(shown[:SHOWN_CLASSES]) + more


def _count(dataset: ImageDataset, noun: str) -> str:
    noun = "pairs" if dataset.kind == "pairs" else noun
    return f"{dataset.num_images:,} {noun} of {'x'.join(map(str, dataset.image_shape))}"
