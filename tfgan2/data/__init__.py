"""Turns a dataset's name into batches of images in [-1, 1]; loads TensorFlow only to read data."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from tfgan2 import remote
from tfgan2.data.catalogue import CATALOGUE, KINDS, POINTS, YOURS, entry_of, kind_of
from tfgan2.data.dataset import ImageDataset
from tfgan2.data.request import Progress, Request
from tfgan2.errors import UserError
from tfgan2.options import DataOptions, show_options


def load_dataset(name: str, *, progress: Progress | None = None, **options: Any) -> ImageDataset:
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
        hold_out: number of samples kept out of training, as `held_out`, default 0; taken from
            another split of tensorflow-datasets where there is one. Copies of an image are held out
            together or not at all. Pairs and unpaired images with folders `test` or `val`, and
            cycle_gan, hold out exactly these, whatever `hold_out` says.
        direction: for pairs and unpaired images: "AtoB", or "BtoA" for the reverse.
        value_range: the values that become black and white, such as (0, 4095), in 16-bit and float
            files, and in 8-bit files that hold no others. Default: one range for all files of a
            kind, see `tfgan2.images.ranges.range_of`.
        progress: called with what is being done, how much of it is done, and the total.

    Returns:
        The dataset, checked: every file of a folder was decoded once, prepared ones when packed.

    Raises:
        UserError: an impossible option, an unknown name, data that cannot be downloaded or read.
    """
    request = Request(name, progress=progress or Request.progress, **options)
    module, _, function = entry_of(name).loader.partition(".")
    dataset: ImageDataset = getattr(import_module(f"tfgan2.data.{module}"), function)(request)
    if request.value_range is not None and not any(dataset.value_ranges):
        raise UserError(
            f"value_range fits no file of {name!r}: all are of 8 bits, with values outside it"
        )
    return replace(dataset, notes=(*dataset.notes, *request.notes))


show_options(load_dataset, DataOptions)


def absolute_name(name: str) -> str:
    """Makes the paths in a dataset's name absolute, so a run can be resumed from any directory.

    Names without paths, remote paths and empty paths stay as they are.
    """
    form, _, paths = name.partition(":")
    if entry_of(name).source != YOURS or not paths:
        return name
    two = form in ("pairs", "unpaired") and not Path(paths).expanduser().is_dir()
    each = [path.strip() for path in paths.split(",")] if two else [paths]
    return f"{form}:{','.join(remote.absolute(path) if path else '' for path in each)}"
