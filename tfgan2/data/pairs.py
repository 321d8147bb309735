"""`pairs:DIR` and `unpaired:DIR_A,DIR_B`: images to be made from other images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfgan2.data.dataset import ImageDataset, Order, Source
from tfgan2.data.files import (
    JOINT,
    Files,
    by_stem,
    existing_folder,
    image_files,
    load_files,
    open_files,
)
from tfgan2.data.request import Request
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, fit, open_image
from tfgan2.images.survey import Survey

DEFAULT_SIZE = 256
HELD_OUT = ("test", "val")
SIDES = ("A", "B")


def load_pairs(request: Request) -> ImageDataset:
    """Loads pairs; a subfolder `test` or `val` beside `train` is held out."""
    root = existing_folder(request.path, "pairs:DIR")
    in_train = (root / "train").is_dir()
    files = find_pairs(root / "train" if in_train else root)
    surveys = _surveys(files, request)
    beside = [root / name for name in HELD_OUT if in_train and (root / name).is_dir()]
    if beside:
        held_out = find_pairs(beside[0])
    else:
        files, held_out = map(files.take, request.held_out(len(files.paths)))
    size = request.image_size or DEFAULT_SIZE
    channels = [request.channels or survey.channels for survey in surveys]
    step = -1 if request.direction == "BtoA" else 1  # the order of the sides
    input_channels, target_channels = channels[::step]

    def dataset(files: Files, held_out: ImageDataset | None = None) -> ImageDataset:
        def read(sample: str) -> np.ndarray:
            sides = _read_pair(files.root, sample, size, channels, surveys)
            return np.concatenate(sides[::step], axis=-1)

        both, found = open_files(files, (size, size, sum(channels)), request, read=read)
        return ImageDataset(
            both.map(lambda both: (both[..., :input_channels], both[..., input_channels:])),
            request.name,
            (size, size, target_channels),
            ["pairs", request.direction, found.digest()],
            kind="pairs",
            skipped=tuple(found.skipped),
            held_out=held_out,
            details={"input_shape": [size, size, input_channels]},
            surveys=tuple(surveys[::step]),
        )

    return dataset(files, dataset(held_out) if held_out.paths else None)


def find_pairs(root: Path) -> Files:
    """Returns the pairs in a folder: in the subfolders A and B, or side by side in one file."""
    folders = [root / side for side in SIDES]
    if not any(folder.is_dir() for folder in folders):
        return Files(root, image_files(root))
    if not all(folder.is_dir() for folder in folders):
        raise UserError(
            f"{str(root)!r} has only one of the folders A and B: give both, with equal names"
        )
    a, b = (by_stem(image_files(folder)) for folder in folders)
    for side, mine, other, others in (("A", a, "B", b), ("B", b, "A", a)):
        if unmatched := sorted(mine.keys() - others.keys()):
            path = f"{side}/{mine[unmatched[0]]}"
            more = f" (and {len(unmatched) - 1} more)" if len(unmatched) > 1 else ""
            raise UserError(
                f"{path!r}{more} has no image of the same name in {other}: add it, or remove "
                f"{path!r}"
            )
    return Files(root, [f"A/{a[stem]}{JOINT}B/{b[stem]}" for stem in sorted(a)])


def _surveys(files: Files, request: Request) -> list[Survey]:
    """Returns the surveys of A and B: each its own in two folders, the same in one file."""
    sides = zip(*(path.split(JOINT) for path in files.paths), strict=True)
    surveys = [Files(files.root, list(paths)).survey(request) for paths in sides]
    return surveys if len(surveys) == 2 else surveys * 2


def _read_pair(
    root: Path, sample: str, size: int, channels: list[int], surveys: list[Survey]
) -> list[np.ndarray]:
    """Returns A and B of a sample, upright and scaled; an error names the file that is wrong."""
    paths = sample.split(JOINT)
    images, sides = [], []
    try:
        for path in paths:
            images.append(open_image(root / path))
        path = paths[0]
        width, height = images[0].size
        if len(images) == 1:
            if width % 2:
                raise UnreadableImageError(
                    f"it is {width}x{height}: two images side by side have an even width"
                )
            boxes = (0, 0, width // 2, height), (width // 2, 0, width, height)
            paths, images = paths * 2, [images[0].crop(box) for box in boxes]
        elif images[1].size != (width, height):
            other = "{}x{}".format(*images[1].size)
            raise UnreadableImageError(f"it is {width}x{height}, and {paths[1]} is {other}")
        for side, image in enumerate(images):
            path = paths[side]
            ranges = surveys[side].ranges
            sides.append(fit(image, size=size, channels=channels[side], ranges=ranges))
    except UnreadableImageError as error:
        error.path = path
        raise
    return sides


def load_unpaired(request: Request) -> ImageDataset:
    """Loads two folders of images that are not paired."""
    paths = request.path.split(",")
    if len(paths) != 2:
        raise UserError(f"unpaired: takes two folders, not {len(paths)}: give unpaired:DIR_A,DIR_B")
    roots = [existing_folder(path.strip(), "unpaired:DIR_A,DIR_B") for path in paths]
    files = [Files(root, image_files(root)) for root in roots]
    return _unpaired(request, *(load_files(side, request, DEFAULT_SIZE) for side in files))


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
        surveys=a.surveys + b.surveys,
    )
