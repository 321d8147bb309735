"""Turns a dataset's name into batches of images in [-1, 1]; loads TensorFlow only to read data."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from tfgan2 import remote
from tfgan2.data.catalogue import CATALOGUE, KINDS, POINTS, TFDS, entry_of, form_of, kind_of
from tfgan2.data.dataset import ImageDataset
from tfgan2.data.naming import check_name, check_spelling, paths_of
from tfgan2.data.request import Progress, Request
from tfgan2.errors import UserError
from tfgan2.options import DataOptions, check_names, show_options


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
        classes: names or numbers of the classes to keep, in the order of their new labels: a list,
            or a text with commas between them.
        split: for tensorflow-datasets and stacked_mnist only, default "train"; also parts and
            sums, such as "train[:80%]" and "train+test".
        data_dir: folder of tensorflow-datasets, local or remote (gs://bucket/data); other datasets
            do not use it.
        balance: draw all classes equally often when training. Evaluations compare with the data as
            they are.
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
        pipeline: the `tf.data.Dataset` to read where `name` is "pipeline", "pipeline-pairs" or
            "pipeline-unpaired".

    Returns:
        The dataset, checked: every file of a folder was decoded once, prepared ones when packed.

    Raises:
        UserError: an impossible option, an unknown name, data that cannot be downloaded or read.
    """
    check_names(Request, options)
    request = Request(name, progress=progress or Request.progress, **options)
    module, _, function = entry_of(name).loader.rpartition(".")
    dataset: ImageDataset = getattr(import_module(f"tfgan2.data.{module}"), function)(request)
    if request.value_range is not None and not any(dataset.value_ranges):
        raise UserError(
            f"value_range fits no file of {name!r}: all are of 8 bits, with values outside it"
        )
    if request.balance and not dataset.class_names:
        raise UserError(f"dataset {name!r} has no labels", ": leave --balance out")
    notes = (*dataset.notes, *request.notes)
    return replace(dataset, notes=notes, balance=request.balance)


show_options(load_dataset, DataOptions)


def absolute_name(name: str) -> str:
    """Makes the paths in a dataset's name absolute, so a run can be resumed from any directory.

    Names without paths, remote paths and empty paths stay as they are.
    """
    check_spelling(name)
    form, paths = name.partition(":")[0], paths_of(name)
    if not any(paths):
        return name
    rest = name.removeprefix(f"tfds:{paths[0]}") if form == "tfds" else ""
    return f"{form}:{','.join(remote.absolute(path) if path else '' for path in paths)}{rest}"


def relocated(options: DataOptions, dataset: str | None, data_dir: str | None) -> DataOptions:
    """Returns the options of a run's data at a new place: another name, another `data_dir`.

    Raises:
        UserError: another kind of dataset; or no new place, and the data are not at the old one.
    """
    if dataset is None and data_dir is None:
        check_place(options)
    if dataset is not None and entry_of(dataset) is not entry_of(options.name):
        check_name(dataset, kind_of(options.name))
        raise UserError(
            f"the run was trained on {options.name!r}, and {dataset!r} is another kind of dataset: "
            "give its new place, or start a new run"
        )
    name = options.name if dataset is None else absolute_name(dataset)
    folder = options.data_dir if data_dir is None else remote.absolute(str(data_dir))
    return replace(options, name=name, data_dir=folder)


def check_place(options: DataOptions) -> None:
    """Raises a UserError if the data of a run have been moved away."""
    if place := missing_place(options):
        in_data_dir = place == options.data_dir
        option = "--data-dir DIR" if in_data_dir else f"--dataset {form_of(options.name)}"
        raise UserError(
            f"the data of the run are no longer at {place!r}: if they have moved, give {option} "
            "with their new place"
        )


def missing_place(options: DataOptions) -> str:
    """Returns a path of the data that does not exist on this machine; "" if all do."""
    paths = paths_of(options.name)
    if entry_of(options.name).source == TFDS and options.data_dir:
        paths = [options.data_dir]
    local = (path for path in paths if path and not remote.is_remote(path))
    return next((path for path in local if not Path(path).expanduser().exists()), "")
