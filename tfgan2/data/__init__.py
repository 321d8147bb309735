"""From a dataset's name to batches of images in [-1, 1]. Imports no TensorFlow until it loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tfgan2 import remote
from tfgan2.data.catalogue import CATALOGUE, DatasetInfo
from tfgan2.data.dataset import KINDS, Cache, ImageDataset, Progress, Request
from tfgan2.errors import UserError

__all__ = ["CATALOGUE", "KINDS", "POINTS", "DatasetInfo", "ImageDataset", "kind_of", "load_dataset"]

CHANNELS = (1, 3, 4)
SIZES = (4, 1024)
POINTS = ("ring8", "grid25")
DIRECTIONS = ("AtoB", "BtoA")
_OWN = ("folder:", "prepared:", "pairs:", "unpaired:", "captions:")
_EMBEDDED = ("digits", "faces", "digits-captions")


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
        name: "digits", "faces", "digits-captions", or the points "ring8" and "grid25", which are
            built in; "stacked_mnist"; "folder:PATH"; "prepared:FILE"; "pairs:DIR";
            "unpaired:DIR_A,DIR_B"; "captions:FILE.jsonl"; or a dataset of tensorflow-datasets, such
            as "cifar10", "emnist/letters" or, unpaired, "cycle_gan/horse2zebra".
        image_size: edge of the square images, 4…1024; not for points. Default: 16 for digits, 24
            for faces, 64 for folders and captions, for prepared pictures that or what they were
            scaled to, 256 for pairs and unpaired images, else the
            dataset's own if its images are square, all of one size and no larger than 128, else 64.
        channels: 1 grey, 3 RGB, 4 RGBA; not for points. Default: as the images are; for folders 1
            if all are grey, else 3. Stacked_mnist has 3.
        classes: names or numbers of the classes to keep, in the order of their new labels.
        split: for tensorflow-datasets and stacked_mnist only, "train" by default; "train[:80%]" and
            "train+test" are possible, too.
        data_dir: where tensorflow-datasets keeps its files, those of mnist for stacked_mnist
            included; a folder or a place such as gs://bucket/data; other datasets do not use it.
        cache: "memory" holds all images, "stream" reads them while training in constant memory,
            "auto" holds up to 1 GiB of them. What is built in and stacked_mnist are always held.
        skip_unreadable: leave out files of a folder that cannot be read, instead of raising.
        hold_out: how many samples are kept out of training, as `held_out`: of tensorflow-datasets
            those of another split where there is one. Of pairs in a folder with `test` or `val`
            and of cycle_gan all of these are held out, whatever is asked for.
        direction: for pairs and unpaired images: "AtoB", or "BtoA" for the reverse.
        progress: called now and then with what is being done, how much of it is done, and of how
            much.

    Returns:
        The dataset, checked: every file of a folder was decoded once, prepared ones when packed.

    Raises:
        UserError: an option that is not possible, an unknown name, data that cannot be downloaded
            or read.
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
    _check(request)
    if name.startswith(_OWN) and remote.is_remote(name):
        raise UserError(
            f"{name!r} is not on this machine: copy it here; only --data-dir may be elsewhere"
        )
    if name.startswith("folder:"):
        from tfgan2.data import folder

        return folder.load(request)
    if name.startswith("prepared:"):
        from tfgan2.data import prepared

        return prepared.load(request)
    if name.startswith(("pairs:", "unpaired:", "cycle_gan/")):
        from tfgan2.data import pairs

        if name.startswith("pairs:"):
            return pairs.load_pairs(request)
        if name.startswith("unpaired:"):
            return pairs.load_unpaired(request)
        return pairs.load_cycle_gan(request)
    if name.startswith("captions:") or name == "digits-captions":
        from tfgan2.data import captions

        return (captions.load_digits if name == "digits-captions" else captions.load_file)(request)
    if name in ("digits", "faces"):
        from tfgan2.data import embedded

        return embedded.load(request)
    if name in POINTS:
        from tfgan2.data import points

        return points.load(request)
    if name == "stacked_mnist":
        from tfgan2.data import stacked

        return stacked.load(request)
    from tfgan2.data import records

    return records.load(request)


def kind_of(name: str) -> str:
    """The kind of the samples of a dataset, one of `KINDS`, by its name alone."""
    if name.startswith("pairs:"):
        return "pairs"
    if name.startswith(("unpaired:", "cycle_gan/")):
        return "unpaired"
    return "captions" if name.startswith("captions:") or name == "digits-captions" else "images"


def _check(request: Request) -> None:
    if request.name in POINTS:
        unfit = {"--image-size": request.image_size, "--channels": request.channels}
        for option, value in unfit.items():
            if value is not None:
                raise UserError(
                    f"dataset {request.name!r} holds points, not pictures: leave {option} out"
                )
    size, (smallest, largest) = request.image_size, SIZES
    if size is not None and (type(size) is not int or not smallest <= size <= largest):
        raise UserError(
            f"image size {size} is not possible: give a whole number from {smallest} to {largest}"
        )
    if request.channels not in (None, *CHANNELS):
        raise UserError(
            f"{request.channels} channels are not possible: give 1 (grey), 3 (RGB) or 4 (RGBA)"
        )
    if request.cache not in ("auto", "memory", "stream"):
        raise UserError(f"unknown cache {request.cache!r}: choose from auto, memory, stream")
    without = request.name.startswith((*_OWN, "cycle_gan/"))
    if (without or request.name in (*_EMBEDDED, *POINTS)) and request.split is not None:
        raise UserError(f"dataset {request.name!r} has no splits: leave --split out")
    if request.hold_out < 0:
        raise UserError("--hold-out must not be negative")
    if request.direction not in DIRECTIONS:
        raise UserError(f"direction {request.direction!r} is not possible: give AtoB or BtoA")
    kind = kind_of(request.name)
    if request.direction != "AtoB" and kind not in ("pairs", "unpaired"):
        raise UserError(f"dataset {request.name!r} has no sides: leave --direction out")
    unlabelled = kind in ("pairs", "unpaired") or request.name.startswith("captions:")
    if request.classes is not None and unlabelled:
        raise UserError(f"dataset {request.name!r} has no labels: leave --classes out")
