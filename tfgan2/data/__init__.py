"""Turns a dataset's name into batches of images in [-1, 1]; loads TensorFlow only to read data."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tfgan2 import remote
from tfgan2.data.catalogue import CATALOGUE, KINDS, POINTS, YOURS, DatasetInfo, info_of, kind_of
from tfgan2.data.dataset import ImageDataset, Part
from tfgan2.data.parallel import Progress
from tfgan2.data.request import Cache, Request
from tfgan2.errors import UserError

__all__ = ["CATALOGUE", "KINDS", "POINTS", "DatasetInfo", "ImageDataset", "Part", "Progress"]
__all__ += ["absolute_name", "kind_of", "load_dataset"]

CHANNELS = (1, 3, 4)
SIZES = (4, 1024)
CACHES = ("auto", "memory", "stream")
DIRECTIONS = ("AtoB", "BtoA")


def load_dataset(
    name: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    classes: Sequence[str] | None = None,
    split: str | None = None,
    data_dir: str | Path | None = None,
    cache: Cache = "auto",
    skip_unreadable: bool = False,
    hold_out: int = 0,
    direction: str = "AtoB",
    progress: Progress | None = None,
) -> ImageDataset:
    """Loads images by name.

    Args:
        name: a name or a form of name in `CATALOGUE`, such as "digits", "folder:PATH" or
            "unpaired:DIR_A,DIR_B", or any image dataset of tensorflow-datasets.
        image_size: edge of the square images, 4…1024; not for points. Default: 16 for digits, 24
            for faces, 64 for folders and captions, 256 for pairs and unpaired images; for prepared
            images the size they were scaled to, else 64; for tensorflow-datasets the dataset's own
            if its images are square, all of one size and no larger than 128, else 64.
        channels: 1 grey, 3 RGB, 4 RGBA; not for points. Default: those of the images; for folders
            1 if all are grey, else 3. Always 3 for stacked_mnist.
        classes: names or numbers of the classes to keep, in the order of their new labels.
        split: for tensorflow-datasets and stacked_mnist only, default "train"; also parts and
            sums, such as "train[:80%]" and "train+test".
        data_dir: folder of tensorflow-datasets, local or remote (gs://bucket/data); other datasets
            do not use it.
        cache: "memory" holds all images, "stream" reads them while training in constant memory,
            "auto" holds up to 1 GiB. Built-in datasets and stacked_mnist are always held.
        skip_unreadable: leave out image files that cannot be read, instead of raising.
        hold_out: number of samples kept out of training, as `held_out`; taken from another split
            of tensorflow-datasets where there is one. A folder of pairs with `test` or `val`, and
            cycle_gan, hold out exactly these, whatever `hold_out` says.
        direction: for pairs and unpaired images: "AtoB", or "BtoA" for the reverse.
        progress: called with what is being done, how much of it is done, and the total.

    Returns:
        The dataset, checked: every file of a folder was decoded once, prepared ones when packed.

    Raises:
        UserError: an impossible option, an unknown name, data that cannot be downloaded or read.
    """
    request = Request(
        name=name,
        image_size=image_size,
        channels=channels,
        classes=None if classes is None else tuple(str(item) for item in classes),
        split=split,
        data_dir=None if data_dir is None else remote.absolute(str(data_dir)),
        cache=cache,
        skip_unreadable=skip_unreadable,
        hold_out=hold_out,
        direction=direction,
        progress=progress or (lambda text, done, total: None),
    )
    info = info_of(name)
    _check(request, info)
    module, _, function = info.loader.partition(".")
    return getattr(import_module(f"tfgan2.data.{module}"), function)(request)


def absolute_name(name: str) -> str:
    """Makes the paths in a dataset's name absolute, so a run can be resumed from any directory.

    Names without paths, remote paths and empty paths stay as they are.
    """
    form, _, paths = name.partition(":")
    if info_of(name).source != YOURS or not paths:
        return name
    each = [path.strip() for path in paths.split(",")] if form == "unpaired" else [paths]
    return f"{form}:{','.join(remote.absolute(path) if path else '' for path in each)}"


def _check(request: Request, info: DatasetInfo) -> None:
    """Raises a UserError for options that are impossible, or do not fit the dataset."""
    for fits, value, problem in (
        (not info.is_points, request.image_size, "holds points, not images: leave --image-size"),
        (not info.is_points, request.channels, "holds points, not images: leave --channels"),
        (info.has_splits, request.split, "has no splits: leave --split"),
        (info.has_labels, request.classes, "has no labels: leave --classes"),
    ):
        if not fits and value is not None:
            raise UserError(f"dataset {request.name!r} {problem} out")
    size, (smallest, largest) = request.image_size, SIZES
    if size is not None and (type(size) is not int or not smallest <= size <= largest):
        raise UserError(
            f"image size {size} is not possible: give a whole number from {smallest} to {largest}"
        )
    if request.channels not in (None, *CHANNELS):
        raise UserError(
            f"{request.channels} channels are not possible: give 1 (grey), 3 (RGB) or 4 (RGBA)"
        )
    if request.cache not in CACHES:
        raise UserError(f"unknown cache {request.cache!r}: choose from {', '.join(CACHES)}")
    if request.hold_out < 0:
        raise UserError(f"--hold-out must be 0 or more, not {request.hold_out}")
    if request.direction not in DIRECTIONS:
        raise UserError(f"direction {request.direction!r} is not possible: give AtoB or BtoA")
    if request.direction != "AtoB" and not info.has_sides:
        raise UserError(f"dataset {request.name!r} is not paired: leave --direction out")
    if info.source == YOURS and remote.is_remote(request.name):
        raise UserError(
            f"{request.name!r} is not on this machine: copy it here; only --data-dir may be remote"
        )
