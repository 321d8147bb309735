"""What to give in place of a path or a URL that is not the name of a dataset."""

from __future__ import annotations

import mimetypes
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tfgan2 import remote
from tfgan2.data.catalogue import HUB, KINDS, YOURS, entry_of, is_listed
from tfgan2.errors import UserError

ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"}
_LISTS = {".jsonl", ".ndjson", ".json", ".csv", ".tsv"}
_OF_THE_HUB = {".parquet", ".arrow"}
_ARRAYS = {".npy", ".npz", ".h5", ".hdf5", ".mat", ".pkl", ".pt", ".tfrecord", ".tfrecords"}
_PATH = re.compile(r"\s*['\"]?\s*(~|\$|\.{0,2}[/\\]|[A-Za-z]:[/\\]|[A-Za-z0-9+]+://)|.*\\")


def paths_of(name: str) -> list[str]:
    """Returns the paths in a dataset's name, [] if its form has none."""
    form, _, paths = name.partition(":")
    source = entry_of(name).source
    if form == "tfds":
        paths = split_module(paths)[0]
    if source == HUB or form == "tfds":
        is_path = paths.startswith(("/", "~", ".")) or Path(paths).exists()
        return [paths] if is_path else []
    if source != YOURS:
        return []
    several = form in ("pairs", "unpaired", "captions")
    two = several and not Path(paths).expanduser().exists()
    return [path.strip() for path in paths.split(",")] if two else [paths]


def split_module(text: str) -> tuple[str, str]:
    """Splits "MODULE:NAME" into the module, file or folder, and the dataset, "" if not given."""
    place, colon, name = text.rpartition(":")
    return (place, name) if colon and not Path(text).expanduser().exists() else (text, "")


def check_name(name: str, kind: str | None = None) -> None:
    """Raises a UserError with the right form if a name is a path, a URL or no text.

    A mere word may be a dataset of tensorflow-datasets, even if there is a folder of that name.
    """
    if not isinstance(name, str):
        raise UserError(
            "a dataset is given by its name, such as 'digits' or 'folder:PATH', not by a value "
            f"of type {type(name).__name__}"
        )
    check_spelling(name)
    suffix = Path(name.strip(" '\"")).suffix.lower()
    if not is_listed(name) and (_PATH.match(name) or suffix in ARCHIVES | _LISTS):
        raise UserError(f"'{name}' is a path, not the name of a dataset: {advice(name, kind)}")


def check_spelling(name: str) -> None:
    """Raises a UserError if a path in a name exists only without quotes, spaces or "file:"."""
    for path in filter(None, paths_of(name)):
        other = spelled(path)
        if other not in (None, path):
            form = name.partition(":")[0]
            raise UserError(f"'{path}' does not exist: did you mean {form}:{other}?")


def advice(text: str, kind: str | None = None) -> str:
    """Returns what to give for a path or a URL, by what it holds and the kind that is needed."""
    found = spelled(text)
    if found is None and remote.is_remote(text):
        return "copy it here, and give folder:PATH"
    if found is None:
        return f"no such file or folder here; give {KINDS[kind].give if kind else 'folder:PATH'}"
    path = Path(found).expanduser()
    if not path.is_dir():
        return _advice_for_file(found, path, kind)
    if kind in ("pairs", "unpaired"):
        return give(kind, found)
    inside = sorted(path.iterdir()) if os.access(path, os.R_OK) else []
    lists = [item.name for item in inside if item.suffix.lower() in _LISTS]
    if kind == "captions":
        return give(kind, str(Path(found, *lists[:1] or ["FILE"])))
    paired = kind is None and {"a", "b"} <= {item.name.lower() for item in inside}
    return give("folder", found) + (f", or pairs:{found}" if paired else "")


def give(form: str, path: str) -> str:
    """Returns the advice to give a dataset, as a shell takes it."""
    return f"give {shlex.quote(f'{form}:{path}')}"


def advice_for_kind(name: str, kind: str) -> str:
    """Returns what to give in place of a dataset that is not of the kind that is needed."""
    paths = [path for path in paths_of(name) or [name] if path and spelled(path)]
    return advice(paths[0], kind) if len(paths) == 1 else f"give {KINDS[kind].give}"


def spelled(text: str) -> str | None:
    """Returns how an existing path is written that was given with quotes, spaces or as a URL."""
    return next((each for each in _spellings(text) if Path(each).expanduser().exists()), None)


def _spellings(text: str) -> Iterator[str]:
    bare = text.strip().strip("'\"").strip()
    yield from (text, bare, os.path.expandvars(bare))
    if bare.lower().startswith("file:"):
        from urllib.request import url2pathname  # slow to import

        yield url2pathname(urlsplit(bare).path)
    yield bare.replace("\\", "/")


def _advice_for_file(found: str, path: Path, kind: str | None) -> str:
    suffix = path.suffix.lower()
    if suffix in ARCHIVES:
        form = "folder:DIR" if kind in (None, "images") else KINDS[kind].give
        return f"unpack it, and give {form}"
    if suffix in _LISTS:
        with path.open("rb") as file:
            prepared = b'"tfgan2_prepared"' in file.read(200)
        return give("prepared" if prepared else "captions", found)
    if suffix in _OF_THE_HUB:
        return give("hf", str(Path(found).parent)) + ", the folder that contains it"
    if suffix in _ARRAYS:
        return "save its images as .png files, or give tfgan2.fit a tf.data.Dataset in Python"
    if (mimetypes.guess_type(found)[0] or "").startswith("image/"):
        return give("folder", str(Path(found).parent)) + ", the folder that contains it"
    return "give folder:DIR with a folder of image files"
