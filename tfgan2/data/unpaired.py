"""`unpaired:DIR_A,DIR_B` and `cycle_gan/NAME`: images of two kinds that are not paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import tensorflow as tf

from tfgan2.data.copies import equal_files, kept
from tfgan2.data.dataset import ImageDataset, Order, Source
from tfgan2.data.files import Files, load_files
from tfgan2.data.layouts import (
    folders_in,
    in_one_folder,
    in_splits,
    in_two_folders,
    labels,
)
from tfgan2.data.request import Request
from tfgan2.errors import UserError

DEFAULT_SIZE = 256
SIDES = ("A", "B")


def load_unpaired(request: Request) -> ImageDataset:
    """Loads two folders of images that are not paired, or one with trainA and trainB."""
    roots = folders_in(request.path, "unpaired:DIR_A,DIR_B")
    if len(roots) == 2:
        places = in_two_folders(roots)
    else:
        places = in_one_folder(roots[0], names_tell=False)
        if places[0].side is None:
            raise UserError(
                f"{str(roots[0])!r} has no folders trainA and trainB, or A and B: give "
                "unpaired:DIR_A,DIR_B"
            )
    splits = [
        in_splits([place for place in places if place.side == side], root)
        for side, root in enumerate([roots[0], roots[-1]])
    ]
    first, second = labels([*splits[0][0], *splits[1][0]])
    request.notes.append(f"unpaired: A is {first!r}, B is {second!r}")
    parts = []
    for root, (training, rest, unused) in zip([roots[0], roots[-1]], splits, strict=True):
        if unused:
            first = unused[0].path
            request.notes.append(f"{len(unused):,} images are not used, the first: {first}")
        files, held_out = (Files(root, sorted(p.path for p in part)) for part in (training, rest))
        if not rest:
            chosen, drawn = request.held_out(
                len(files.paths), partial(equal_files, files.absolute(), request)
            )
            files, held_out = files.take(chosen), files.take(drawn)
        parts.append((files, held_out))
    others = [held_out for _, held_out in parts]
    a, b = (_side(request, training, held_out, others) for training, held_out in parts)
    return _unpaired(request, a, b)


def _side(request: Request, files: Files, held_out: Files, others: Sequence[Files]) -> ImageDataset:
    """Loads one side; no image of it is held out by either."""
    every = Files(files.root, sorted([*files.paths, *held_out.paths]))
    request = replace(request, hold_out=0, channels=request.channels or every.channels())
    if not held_out.paths:
        return load_files(files, request, DEFAULT_SIZE)
    paths = [path for part in (files, *others) for path in part.absolute()]
    files = files.take(kept(files.paths, [equal_files(paths, request)], request))
    rest = load_files(held_out, request, DEFAULT_SIZE)
    return replace(load_files(files, request, DEFAULT_SIZE), held_out=rest)


def load_cycle_gan(request: Request) -> ImageDataset:
    """Loads a dataset of the CycleGAN paper from tensorflow-datasets; testA and testB are held out.

    Paper: Zhu et al. 2017, arXiv:1703.10593.
    """
    from tfgan2.data import records

    request = replace(request, image_size=request.image_size or DEFAULT_SIZE)
    sides = []
    for side in SIDES:
        held_out = records.load_split(request, f"test{side}")
        sides.append(records.load_split(request, f"train{side}", held_out))
    return _unpaired(request, *sides)


def _unpaired(request: Request, a: ImageDataset, b: ImageDataset) -> ImageDataset:
    """Joins two datasets, each shuffled on its own; an epoch is one pass over the larger."""
    held_out = None
    if a.held_out is not None and b.held_out is not None:
        held_out = _unpaired(request, a.held_out, b.held_out)
    if request.direction == "BtoA":
        a, b = b, a
    sources = [
        side.source.map(lambda images, labels: images) if side.class_names else side.source
        for side in (a, b)
    ]

    def batches(order: Order) -> tf.data.Dataset:
        orders = [replace(order, seed=2 * order.seed + side) for side in range(2)]
        each = [source.batches(order) for source, order in zip(sources, orders, strict=True)]
        return tf.data.Dataset.zip(*each)

    return ImageDataset(
        Source(max(a.num_images, b.num_images), a.in_memory and b.in_memory, batches),
        request.name,
        b.image_shape,
        ["unpaired", a.fingerprint, b.fingerprint],
        kind="unpaired",
        skipped=(*a.skipped, *b.skipped),
        held_out=held_out,
        details={"input_shape": list(a.image_shape)},
        sides=(a, b),
    )
