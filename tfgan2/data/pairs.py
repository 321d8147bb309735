"""`pairs:DIR` and `unpaired:DIR_A,DIR_B`: pictures that are to be made from pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tfgan2.data.dataset import (
    WHOLE,
    ImageDataset,
    Part,
    Request,
    Source,
    held_out_indices,
)
from tfgan2.data.files import JOINT, Files, by_name, folder_of, open_files, pictures_in
from tfgan2.data.folder import load_files
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, fit, open_image

if TYPE_CHECKING:
    import tensorflow as tf

DEFAULT_SIZE = 256
TRAINING = "train"
HELD_OUT = ("test", "val")
SIDES = ("A", "B")


def load_pairs(request: Request) -> ImageDataset:
    """Loads pairs: pictures with both sides in one file, or in the subfolders A and B.

    Either kind may lie in a subfolder `train`; what lies in `test` or `val` beside it is held out.

    Raises:
        UserError: no such folder, an empty side, a picture without its other, sizes that differ, a
            picture that cannot be read.
    """
    root = folder_of(request.name.removeprefix("pairs:"), "pairs:DIR")
    own = root / TRAINING
    beside = next((root / name for name in HELD_OUT if (root / name).is_dir()), None)
    if own.is_dir():
        held_out = None if beside is None else _find_pairs(beside)
        files = _find_pairs(own)
    else:
        files, held_out = _find_pairs(root), None
    if held_out is None:
        training, kept = held_out_indices(len(files.paths), request.hold_out, name=request.name)
        held_out = files.take(kept)
        files = files.take(training)
    size = request.image_size or DEFAULT_SIZE
    channels = [request.channels] * 2 if request.channels else _channels(files)
    backwards = request.direction == "BtoA"
    if backwards:
        channels.reverse()

    def part(some: Files, rest: ImageDataset | None) -> ImageDataset:
        def read(path: str) -> np.ndarray:
            sides = _read_sides(some.root, path)
            if backwards:
                sides.reverse()
            fitted = []
            for (name, picture), wanted in zip(sides, channels, strict=True):
                with _naming(name):
                    fitted.append(fit(picture, size=size, channels=wanted))
            return np.concatenate(fitted, axis=-1)

        source, good, skipped = open_files(some, read, (size, size, sum(channels)), request)
        return ImageDataset(
            PairSource(source, channels[0]),
            name=request.name,
            kind="pairs",
            image_shape=(size, size, channels[1]),
            class_names=(),
            content=["pairs", request.direction, good.digest()],
            skipped=skipped,
            held_out=rest,
            details={"input_shape": [size, size, channels[0]]},
        )

    return part(files, part(held_out, None) if held_out.paths else None)


class PairSource:
    """Pairs from images whose channels are those of the input and then those of the target."""

    def __init__(self, source: Source, input_channels: int) -> None:
        self.num_images = source.num_images
        self.in_memory = source.in_memory
        self._source = source
        self._channels = input_channels

    def batches(
        self, batch_size: int, *, seed: int, start: int, part: Part = WHOLE
    ) -> tf.data.Dataset:
        def split(both: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return both[..., : self._channels], both[..., self._channels :]

        return self._source.batches(batch_size, seed=seed, start=start, part=part).map(split)


def _find_pairs(root: Path) -> Files:
    folders = [root / side for side in SIDES]
    if not any(folder.is_dir() for folder in folders):
        return Files(root, pictures_in(root))
    for folder in folders:
        if not folder.is_dir():
            raise UserError(
                f"{str(root)!r} has only one of the folders A and B: give both, with equal names"
            )
    sides = [by_name(pictures_in(folder)) for folder in folders]
    for mine, other, side in ((0, 1, "B"), (1, 0, "A")):
        lonely = sorted(sides[mine].keys() - sides[other].keys())
        if lonely:
            path = f"{SIDES[mine]}/{sides[mine][lonely[0]]}"
            more = f" (and {len(lonely) - 1} more)" if len(lonely) > 1 else ""
            raise UserError(
                f"{path!r}{more} has no picture of the same name in {side}: add it, or remove "
                f"{path!r}"
            )
    names = sorted(sides[0])
    return Files(root, [f"A/{sides[0][n]}{JOINT}B/{sides[1][n]}" for n in names])


def _channels(files: Files) -> list[int]:
    """Of A and B: in two folders each has its own, side by side they share it."""
    if JOINT not in files.paths[0]:
        return [files.channels()] * 2
    return [
        Files(files.root, [path.split(JOINT)[side] for path in files.paths]).channels()
        for side in (0, 1)
    ]


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """What cannot be read in the block is this file."""
    try:
        yield
    except UnreadableImageError as error:
        raise UnreadableImageError(str(error), path) from error


def _read_sides(root: Path, sample: str) -> list[tuple[str, Image.Image]]:
    """A and B of one sample, upright and of equal size, each with the path of its file."""
    paths = sample.split(JOINT)
    pictures = []
    for path in paths:
        with _naming(path):
            pictures.append(open_image(root / path))
    if len(pictures) == 1:
        both = pictures[0]
        half, odd = divmod(both.width, 2)
        if odd or not half:
            raise UnreadableImageError(
                f"it is {both.width}x{both.height}: two pictures side by side have an even width"
            )
        return [
            (sample, both.crop((0, 0, half, both.height))),
            (sample, both.crop((half, 0, both.width, both.height))),
        ]
    if pictures[0].size != pictures[1].size:
        sizes = [f"{p.width}x{p.height}" for p in pictures]
        raise UnreadableImageError(f"it is {sizes[0]}, and {paths[1]} is {sizes[1]}")
    return list(zip(paths, pictures, strict=True))


def load_unpaired(request: Request) -> ImageDataset:
    """Loads two folders of pictures that do not belong to each other.

    Raises:
        UserError: not two folders, one without pictures, a picture that cannot be read.
    """
    given = request.name.removeprefix("unpaired:").split(",")
    if len(given) != 2:
        raise UserError(f"unpaired: takes two folders, not {len(given)}: give unpaired:DIR_A,DIR_B")
    roots = [folder_of(path.strip(), "unpaired:DIR_A,DIR_B") for path in given]
    both = [Files(root, pictures_in(root)) for root in roots]
    sides = [load_files(files, (), request, default_size=DEFAULT_SIZE) for files in both]
    return unpaired(request, *sides)


def load_cycle_gan(request: Request) -> ImageDataset:
    """Loads a dataset of the CycleGAN paper from tensorflow-datasets, "cycle_gan/horse2zebra".

    Its splits testA and testB are held out.

    Raises:
        UserError: it cannot be downloaded or read.
    """
    from tfgan2.data import records

    sides = []
    for side in SIDES:
        asked = replace(request, image_size=request.image_size or DEFAULT_SIZE)
        held_out = records.load_split(replace(asked, split=f"test{side}"))
        sides.append(records.load_split(replace(asked, split=f"train{side}"), held_out))
    return unpaired(request, *sides)


def unpaired(request: Request, a: ImageDataset, b: ImageDataset) -> ImageDataset:
    """Two datasets as one of pairs by chance; an epoch is one of the larger."""
    if request.direction == "BtoA":
        a, b = b, a
    held_out = None
    if a.held_out is not None and b.held_out is not None:
        held_out = unpaired(replace(request, direction="AtoB"), a.held_out, b.held_out)
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
    """Batches of two sources, each shuffled by itself."""

    def __init__(self, a: ImageDataset, b: ImageDataset) -> None:
        self.num_images = max(a.num_images, b.num_images)
        self.in_memory = a.in_memory and b.in_memory
        self._sides = (a, b)

    def batches(
        self, batch_size: int, *, seed: int, start: int, part: Part = WHOLE
    ) -> tf.data.Dataset:
        import tensorflow as tf

        return tf.data.Dataset.zip(
            *(
                _images(
                    side.source.batches(batch_size, seed=2 * seed + number, start=start, part=part)
                )
                for number, side in enumerate(self._sides)
            )
        )


def _images(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Without labels, where there are some."""
    labelled = isinstance(batches.element_spec, tuple)
    return batches.map(lambda images, labels: images) if labelled else batches
