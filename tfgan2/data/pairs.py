"""`pairs:DIR` and `unpaired:DIR_A,DIR_B`: images to be made from other images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from tfgan2.data.dataset import ImageDataset, Order, Source
from tfgan2.data.files import JOINT, Files, by_stem, existing_folder, image_files
from tfgan2.data.folder import load_files, open_files
from tfgan2.data.request import Request, held_out_indices
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, fit, open_image

DEFAULT_SIZE = 256
HELD_OUT = ("test", "val")
SIDES = ("A", "B")


def load_pairs(request: Request) -> ImageDataset:
    """Loads pairs; a subfolder `test` or `val` beside `train` is held out."""
    root = existing_folder(request.path, "pairs:DIR")
    if (root / "train").is_dir():
        files = find_pairs(root / "train")
        beside = [root / name for name in HELD_OUT if (root / name).is_dir()]
        held_out = find_pairs(beside[0]) if beside else None
    else:
        files, held_out = find_pairs(root), None
    if held_out is None:
        training, rest = held_out_indices(len(files.paths), request)
        held_out, files = files.take(rest), files.take(training)
    size = request.image_size or DEFAULT_SIZE
    channels = [request.channels] * 2 if request.channels else _channels(files)
    step = -1 if request.direction == "BtoA" else 1  # the order of the sides
    input_channels, target_channels = channels[::step]

    def build(files: Files, held_out: ImageDataset | None) -> ImageDataset:
        def read(sample: str) -> np.ndarray:
            sides = []
            for (path, image), count in zip(_open_sides(files.root, sample), channels, strict=True):
                with _naming(path):
                    sides.append(fit(image, size=size, channels=count))
            return np.concatenate(sides[::step], axis=-1)

        source, readable, skipped = open_files(files, (size, size, sum(channels)), request, read)
        return ImageDataset(
            PairSource(source, input_channels),
            name=request.name,
            kind="pairs",
            image_shape=(size, size, target_channels),
            class_names=(),
            content=["pairs", request.direction, readable.digest()],
            skipped=skipped,
            held_out=held_out,
            details={"input_shape": [size, size, input_channels]},
        )

    return build(files, build(held_out, None) if held_out.paths else None)


class PairSource:
    """Pairs, from images whose channels are those of the input, then those of the target."""

    def __init__(self, source: Source, input_channels: int) -> None:
        self.num_images = source.num_images
        self.in_memory = source.in_memory
        self._source = source
        self._channels = input_channels

    def batches(self, order: Order) -> tf.data.Dataset:
        channels = self._channels
        return self._source.batches(order).map(
            lambda both: (both[..., :channels], both[..., channels:])
        )


def find_pairs(root: Path) -> Files:
    """Returns the pairs in a folder: in the subfolders A and B, or side by side in one file.

    Further layouts of folders belong here.
    """
    folders = [root / side for side in SIDES]
    if not any(folder.is_dir() for folder in folders):
        return Files(root, image_files(root))
    if not all(folder.is_dir() for folder in folders):
        raise UserError(
            f"{str(root)!r} has only one of the folders A and B: give both, with equal names"
        )
    a, b = (by_stem(image_files(folder)) for folder in folders)
    for side, mine, other, others in (("A", a, "B", b), ("B", b, "A", a)):
        unmatched = sorted(mine.keys() - others.keys())
        if unmatched:
            path = f"{side}/{mine[unmatched[0]]}"
            more = f" (and {len(unmatched) - 1} more)" if len(unmatched) > 1 else ""
            raise UserError(
                f"{path!r}{more} has no image of the same name in {other}: add it, or remove "
                f"{path!r}"
            )
    return Files(root, [f"A/{a[stem]}{JOINT}B/{b[stem]}" for stem in sorted(a)])


def _channels(files: Files) -> list[int]:
    """Returns the channels of A and B: each its own in two folders, the same in one file."""
    if JOINT not in files.paths[0]:
        return [files.channels()] * 2
    sides = zip(*(path.split(JOINT) for path in files.paths), strict=True)
    return [Files(files.root, list(paths)).channels() for paths in sides]


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Adds the path to an UnreadableImageError."""
    try:
        yield
    except UnreadableImageError as error:
        raise UnreadableImageError(str(error), path) from error


def _open_sides(root: Path, sample: str) -> list[tuple[str, Image.Image]]:
    """Returns A and B of a sample, upright and of equal size, each with the path of its file."""
    paths = sample.split(JOINT)
    images = []
    for path in paths:
        with _naming(path):
            images.append(open_image(root / path))
    if len(images) == 2:
        if images[0].size != images[1].size:
            sizes = [f"{image.width}x{image.height}" for image in images]
            raise UnreadableImageError(f"it is {sizes[0]}, and {paths[1]} is {sizes[1]}")
        return list(zip(paths, images, strict=True))
    width, height = images[0].size
    half, odd = divmod(width, 2)
    if odd or not half:
        raise UnreadableImageError(
            f"it is {width}x{height}: two images side by side have an even width"
        )
    boxes = [(0, 0, half, height), (half, 0, width, height)]
    return [(sample, images[0].crop(box)) for box in boxes]


def load_unpaired(request: Request) -> ImageDataset:
    """Loads two folders of images that are not paired."""
    paths = request.path.split(",")
    if len(paths) != 2:
        raise UserError(f"unpaired: takes two folders, not {len(paths)}: give unpaired:DIR_A,DIR_B")
    roots = [existing_folder(path.strip(), "unpaired:DIR_A,DIR_B") for path in paths]
    files = [Files(root, image_files(root)) for root in roots]
    return _unpaired(
        request, *(load_files(side, (), request, default_size=DEFAULT_SIZE) for side in files)
    )


def load_cycle_gan(request: Request) -> ImageDataset:
    """Loads a dataset of the CycleGAN paper from tensorflow-datasets; testA and testB are held out.

    Paper: Zhu et al. 2017, arXiv:1703.10593.
    """
    from tfgan2.data import records

    request = replace(request, image_size=request.image_size or DEFAULT_SIZE)
    sides = []
    for side in SIDES:
        held_out = records.load_split(replace(request, split=f"test{side}"))
        sides.append(records.load_split(replace(request, split=f"train{side}"), held_out))
    return _unpaired(request, *sides)


def _unpaired(request: Request, a: ImageDataset, b: ImageDataset) -> ImageDataset:
    """Joins two datasets; an epoch is one of the larger."""
    if request.direction == "BtoA":
        a, b = b, a
    held_out = None
    if a.held_out is not None and b.held_out is not None:
        held_out = _unpaired(replace(request, direction="AtoB"), a.held_out, b.held_out)
    return ImageDataset(
        UnpairedSource(a, b),
        name=request.name,
        kind="unpaired",
        image_shape=b.image_shape,
        class_names=(),
        content=["unpaired", a.fingerprint, b.fingerprint],
        skipped=(*a.skipped, *b.skipped),
        held_out=held_out,
        details={"input_shape": list(a.image_shape)},
        sides=(a, b),
    )


class UnpairedSource:
    """Batches of two sources, each shuffled by itself; labels are dropped."""

    def __init__(self, a: ImageDataset, b: ImageDataset) -> None:
        self.num_images = max(a.num_images, b.num_images)
        self.in_memory = a.in_memory and b.in_memory
        self._sources = (a.source, b.source)

    def batches(self, order: Order) -> tf.data.Dataset:
        def images(source: Source, seed: int) -> Any:
            batches = source.batches(replace(order, seed=seed))
            labelled = isinstance(batches.element_spec, tuple)
            return batches.map(lambda images, labels: images) if labelled else batches

        a, b = self._sources
        return tf.data.Dataset.zip(images(a, 2 * order.seed), images(b, 2 * order.seed + 1))
