"""`unpaired:DIR_A,DIR_B` and `cycle_gan/NAME`: images of two kinds that are not paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.data.dataset import ImageDataset, Order, Source
from tfgan2.data.folders.copies import equal_files
from tfgan2.data.folders.files import Files, load_files
from tfgan2.data.folders.layouts import (
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
    if len(roots) == 1:
        first, second = labels([*splits[0][0], *splits[1][0]])
        request.notes.append(f"unpaired: A is {first!r}, B is {second!r}")
    sides = []
    for root, (training, rest, unused) in zip([roots[0], roots[-1]], splits, strict=True):
        paths = [path for part in (training, rest) for path in sorted(p.path for p in part)]
        sides.append(Files(root, paths, held_out=len(rest)))
        if unused:
            first = unused[0].path
            request.notes.append(f"{len(unused):,} images are not used, the first: {first}")
    if request.hold_out or any(side.held_out for side in sides):
        sides = _apart(sides, request)
        request = replace(request, hold_out=0)
    a, b = (load_files(side, request, DEFAULT_SIZE, copies=False) for side in sides)
    return unpaired(request, a, b)


def _apart(sides: Sequence[Files], request: Request) -> list[Files]:
    """Chooses what is held out; no image to train on is held out by either side."""
    firsts = equal_files([path for side in sides for path in side.absolute()], request)
    values = np.split(firsts, [len(sides[0].paths)])
    chosen, held_out = [], []
    for side, own in zip(sides, values, strict=True):
        count = len(side.paths)
        training, rest = np.split(np.arange(count), [count - side.held_out])
        if not side.held_out:
            training, rest = request.held_out(count, partial(_numbered, own))
        chosen.append((training, rest))
        held_out.append(own[rest])
    apart = []
    for side, own, (training, rest) in zip(sides, values, chosen, strict=True):
        names = [side.paths[number] for number in training]
        numbers = request.kept(names, [np.concatenate([own[training], *held_out])])
        files = side.take([*training[numbers], *rest])
        apart.append(replace(files, held_out=len(rest)))
    return apart


def _numbered(values: np.ndarray) -> np.ndarray:
    """Returns the values as numbers from 0 without gaps."""
    return np.unique(values, return_inverse=True)[1]


def load_cycle_gan(request: Request) -> ImageDataset:
    """Loads a dataset of the CycleGAN paper from tensorflow-datasets; testA and testB are held out.

    Paper: Zhu et al. 2017, arXiv:1703.10593.
    """
    from tfgan2.data import records

    request = replace(request, image_size=request.image_size or str(DEFAULT_SIZE))
    sides = []
    for side in SIDES:
        held_out = records.load_split(request, f"test{side}")
        sides.append(records.load_split(request, f"train{side}", held_out))
    return unpaired(request, *sides)


def unpaired(request: Request, a: ImageDataset, b: ImageDataset) -> ImageDataset:
    """Joins two datasets, each shuffled on its own; an epoch is one pass over the larger."""
    held_out = None
    if a.held_out is not None and b.held_out is not None:
        held_out = unpaired(request, a.held_out, b.held_out)
    if request.direction == "BtoA":
        a, b = b, a
    sources = [
        side.source.map(lambda images, labels: images) if side.class_names else side.source
        for side in (a, b)
    ]
    tables_of_a = len(sources[0].tables)

    def drawn(order: Order) -> tf.data.Dataset:
        orders = [replace(order, seed=2 * order.seed + side) for side in range(2)]
        each = [source.drawn(order) for source, order in zip(sources, orders, strict=True)]
        return tf.data.Dataset.zip(*each)

    def look_up(tables: Sequence[tf.Tensor], drawn: Any) -> tuple[tf.Tensor, tf.Tensor]:
        own = tables[:tables_of_a], tables[tables_of_a:]
        images, others = (
            source.look_up(*each) for source, *each in zip(sources, own, drawn, strict=True)
        )
        return images, others

    tables = (*sources[0].tables, *sources[1].tables)

    return ImageDataset(
        Source(
            max(a.num_images, b.num_images), a.in_memory and b.in_memory, drawn, look_up, tables
        ),
        request.name,
        b.image_shape,
        ["unpaired", a.fingerprint, b.fingerprint],
        kind="unpaired",
        skipped=(*a.skipped, *b.skipped),
        held_out=held_out,
        details={"input_shape": list(a.image_shape)},
        sides=(a, b),
        surveys=a.surveys + b.surveys,
    )
