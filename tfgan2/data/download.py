"""Finding, downloading and preparing a dataset of tensorflow-datasets (tfds)."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.utils import tqdm_utils

from tfgan2 import remote
from tfgan2.data.catalogue import CATALOGUE
from tfgan2.data.naming import advice, spelled
from tfgan2.data.request import Request
from tfgan2.errors import UserError, one_line, unknown
from tfgan2.files import lock_for

_OF_THE_DISK = {errno.EACCES, errno.EDQUOT, errno.ENOENT, errno.ENOSPC, errno.ENOTDIR, errno.EROFS}
"""Numbers of errors that another folder avoids."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps tfds's own progress bars, advice and warnings off the terminal."""
    bars = getattr(tqdm_utils, "_active", True)  # tfds has a switch, but no way to read it
    absl = logging.getLogger("absl")
    level = absl.level
    # Not reset: the threads of a failed download outlive it, and go on with their warnings.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        tfds.display_progress_bar(False)
        absl.setLevel(logging.ERROR)
        yield
    finally:
        absl.setLevel(level)
        tfds.display_progress_bar(bars)


def prepared_builder(request: Request) -> Any:
    """Returns the tfds builder of a dataset, downloaded and prepared."""
    name, data_dir = request.name, request.data_dir
    if data_dir is not None and remote.is_remote(data_dir):
        remote.check(data_dir)
    elif data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(
            f"the folder {data_dir!r} of tensorflow-datasets does not exist: create it",
            ", or give --data-dir with the one that holds the prepared datasets",
        )
    if {".", ".."} & set(name.split("/")) or name.startswith(("/", "~")):
        raise UserError(f"unknown dataset {name!r}: {advice(name)}")
    # Existing files first: they may be the user's own, unknown to tfds, or an older version.
    with contextlib.suppress(tfds.core.DatasetNotFoundError, ValueError, RuntimeError):
        return read_only_builder.builder_from_files(name, data_dir=data_dir)
    _check_known(name)
    with one_line(f"dataset {name!r} cannot be set up", Exception):
        builder = tfds.builder(name, data_dir=data_dir, try_gcs=False)
    image_key(name, builder.info.features)  # before downloading what cannot be used
    request.progress(f"downloading and preparing {name}", 0, 1)
    _prepare(builder, request)
    request.progress(f"downloading and preparing {name}", 1, 1)
    return builder


def _check_known(name: str) -> None:
    """Raises a UserError unless tfds has a dataset and configuration of this name."""
    base, _, config = name.partition(":")[0].partition("/")
    # Community datasets are never looked up: that needs a network, and hangs without one.
    known = tfds.list_builders(with_community_datasets=False)
    if base not in known and spelled(name):
        raise UserError(f"unknown dataset {name!r}: {advice(name)}")
    if base not in known:
        path = name.partition(":")[2]  # perhaps the user's own files, with a mistyped prefix
        own = [re.sub(":.*", f":{path}", entry) for entry in CATALOGUE if path or ":" not in entry]
        hint = "`tfgan2 datasets` lists some; for a folder of your own give folder:PATH"
        raise unknown("dataset", name, dict.fromkeys([*own, *known]), hint=hint)
    configs = tfds.builder_cls(base).builder_configs
    if config and not configs:
        raise UserError(f"dataset {base!r} has no configurations: give it as {base!r}")
    if config and config not in configs:
        raise unknown(f"configuration of {base!r}", config, configs)


def _prepare(builder: Any, request: Request) -> None:
    """Downloads and prepares a dataset, one process at a time: the others find it prepared."""
    name, target = request.name, request.data_dir or "DIR"
    retries = downloader.MAX_RETRIES
    with (
        # The network, the disk, a download that must be made by hand, …
        one_line(
            f"dataset {name!r} could not be downloaded",
            Exception,
            advice='prepare it on a machine with a network with `python -c "import '
            f"tensorflow_datasets as tfds; tfds.load('{name}', data_dir='{target}')\"`, copy the "
            f"folder here and give --data-dir {target}",
        ),
        lock_for(Path(builder.data_dir)),
        contextlib.redirect_stdout(io.StringIO()),  # it prints advice
    ):
        try:
            downloader.MAX_RETRIES = 4  # all 10 take minutes without a network
            builder.download_and_prepare()
        except ModuleNotFoundError as error:
            raise UserError(
                f"preparing dataset {name!r} needs the Python package {error.name!r}: install it"
            ) from error
        except OSError as error:
            if error.errno not in _OF_THE_DISK:
                raise
            raise UserError(
                f"dataset {name!r} cannot be written to {builder.data_dir}: {error.strerror}",
                ": give --data-dir with a folder that can be written",
            ) from error
        finally:
            downloader.MAX_RETRIES = retries


def image_key(name: str, features: Any) -> str:
    """Returns the key of the images: "image", or that of the only image feature."""
    keys = []
    if isinstance(features, tfds.features.FeaturesDict):
        keys = [key for key, kind in features.items() if isinstance(kind, tfds.features.Image)]
    if "image" in keys:
        keys = ["image"]
    if len(keys) != 1:
        several = f"images under several names ({', '.join(sorted(keys))})"
        raise UserError(
            f"dataset {name!r} holds {several if keys else 'no images'}: choose one whose images "
            "are named 'image'"
        )
    dtype = np.dtype(features[keys[0]].np_dtype)
    if dtype not in (np.uint8, np.uint16):
        raise UserError(
            f"the images of dataset {name!r} are of {dtype}: choose one with uint8 or uint16"
        )
    return keys[0]
