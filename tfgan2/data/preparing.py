"""Finding, downloading and preparing a dataset of tensorflow-datasets (tfds)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from tfgan2 import remote
from tfgan2.data.catalogue import CATALOGUE
from tfgan2.data.dataset import Request
from tfgan2.errors import UserError, unknown

_DOWNLOAD_RETRIES = 4


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps tfds's own progress bars, advice and warnings off the terminal."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.utils import tqdm_utils

    bars = getattr(tqdm_utils, "_active", True)  # tfds has a switch, but does not tell its position
    absl = logging.getLogger("absl")
    level = absl.level
    # Not set back: the threads of a failed download outlive it, and go on with their warnings.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        tfds.display_progress_bar(False)
        absl.setLevel(logging.ERROR)
        yield
    finally:
        absl.setLevel(level)
        tfds.display_progress_bar(bars)


def prepared_builder(request: Request) -> Any:
    """The tfds builder, prepared."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import read_only_builder

    name, data_dir = request.name, request.data_dir
    if data_dir is not None and remote.is_remote(data_dir):
        remote.check(data_dir)
    elif data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(
            f"--data-dir {data_dir!r} is not an existing folder: give the one that holds the "
            "prepared datasets, or make it"
        )
    if "." in name.split("/") or ".." in name.split("/") or name.startswith(("/", "~")):
        raise UserError(f"unknown dataset {name!r}: for a folder give 'folder:{name}'")
    base = re.split("[/:]", name)[0]
    # Files that lie there first: they may be the user's own, unknown to tfds, or an older version.
    # Community datasets are never looked up: that needs a network, and hangs without one.
    with contextlib.suppress(tfds.core.DatasetNotFoundError, ValueError, RuntimeError):
        return read_only_builder.builder_from_files(name, data_dir=data_dir)
    known = tfds.list_builders(with_community_datasets=False)
    if base not in known:
        offered = [*(n for n in CATALOGUE if ":" not in n), *known]
        if ":" in name:  # perhaps a kind of the user's own files, mistyped
            kinds = [n.partition(":")[0] for n in CATALOGUE if ":" in n]
            offered += [f"{kind}:{name.partition(':')[2]}" for kind in kinds]
        hint = "`tfgan2 datasets` lists some; for a folder of your own give folder:PATH"
        raise unknown("dataset", name, dict.fromkeys(offered), hint=hint)
    config = name.partition("/")[2].partition(":")[0]
    configs = tfds.builder_cls(base).builder_configs
    if config and config not in configs:
        if not configs:
            raise UserError(f"dataset {base!r} has no configurations: give it as {base!r}")
        raise unknown(f"configuration of {base!r}", config, configs)
    try:
        builder = tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except Exception as error:  # whatever a dataset's own code raises
        raise UserError(f"dataset {name!r} cannot be set up: {short(error)}") from error
    image_feature(name, builder.info.features)  # before downloading what cannot be used
    request.progress(f"downloading and preparing {name}", 0, 1)
    try:
        # One process at a time: the others find it prepared.
        with (
            FileLock(_lock_for(builder)),
            _few_retries(),
            contextlib.redirect_stdout(io.StringIO()),  # it prints advice
        ):
            builder.download_and_prepare()
    except ModuleNotFoundError as error:
        raise UserError(
            f"preparing dataset {name!r} needs the Python package {error.name!r}: install it"
        ) from error
    except Exception as error:  # the network, the disk, a download that must be made by hand, …
        where = data_dir or "DIR"
        raise UserError(
            f"dataset {name!r} could not be downloaded: {short(error)}; prepare it where there is "
            'a network with `python -c "import tensorflow_datasets as tfds; '
            f"tfds.load('{name}', data_dir='{where}')\"`, copy the folder here and give "
            f"--data-dir {where}"
        ) from error
    request.progress(f"downloading and preparing {name}", 1, 1)
    return builder


def _lock_for(builder: Any) -> Path:
    """A file of this machine that stands for a dataset's folder."""
    told = hashlib.sha256(str(builder.data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"tfgan2-{told}.lock"


@contextlib.contextmanager
def _few_retries() -> Iterator[None]:
    """Without a network, the ten tries of tfds take more than three minutes."""
    from tensorflow_datasets.core.download import downloader

    before = getattr(downloader, "MAX_RETRIES", None)
    if before is None:
        yield
        return
    downloader.MAX_RETRIES = _DOWNLOAD_RETRIES
    try:
        yield
    finally:
        downloader.MAX_RETRIES = before


def short(error: Exception) -> str:
    """An error as a part of one line."""
    text = " ".join(str(error).split())
    unreachable = re.search(r"host='([^']+)'.*(NameResolution|NewConnection|Timeout)", text)
    if unreachable:
        return f"{unreachable[1]} cannot be reached"
    text = text or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"


def image_feature(name: str, features: Any) -> str:
    """The key of the images: "image", or that of the only ones."""
    import tensorflow_datasets as tfds

    found = {}
    if isinstance(features, tfds.features.FeaturesDict):
        found = {k: f for k, f in features.items() if isinstance(f, tfds.features.Image)}
    key = "image" if "image" in found else next(iter(found)) if len(found) == 1 else None
    if key is None:
        kinds = f"images under several names ({', '.join(sorted(found))})" if found else "no images"
        raise UserError(
            f"dataset {name!r} holds {kinds}: choose one that has its images as 'image'"
        )
    kind = np.dtype(found[key].np_dtype)
    if kind not in (np.uint8, np.uint16):
        raise UserError(
            f"the images of dataset {name!r} are of {kind}: choose one with uint8 or uint16"
        )
    return key
