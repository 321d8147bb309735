"""Uploads a bundle to Hugging Face's hub, and downloads one. Imports no TensorFlow.

A download takes only files that hold no code: a SavedModel can read and write files, so it is left
out, and so is whatever the bundle's metadata do not list.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.export import folder
from tfgan2.export.options import file_names
from tfgan2.files import written_atomically
from tfgan2.runtime.backends import LIBRARIES
from tfgan2.runtime.container import METADATA_FILE, sha256_of
from tfgan2.runtime.shipped import PREFIX, located

CARD = "README.md"
TEXTS = (CARD, "parity.json", "labels.txt", "vocabulary.txt")
_SAMPLES = "samples/*.png"


def push(bundle: Path, repo: str, *, private: bool = False) -> str:
    """Uploads a bundle that `tfgan2 export --bundle` wrote, and returns its URL.

    A repository that does not exist is made. Only the files of the bundle are uploaded, whatever
    else lies in its folder. Files of an earlier bundle that this one lacks are removed from the
    repository; all others stay.

    Args:
        bundle: the folder.
        repo: OWNER/NAME, or NAME of one's own.
        private: whether a new repository is visible to its owner alone.

    Raises:
        UserError: no bundle, a file in it was changed, no access, or the hub cannot be reached.
    """
    metadata = folder.read_metadata(bundle)
    if metadata is None or not (bundle / CARD).is_file():
        raise UserError(f"{bundle} is no bundle: write one with `tfgan2 export RUN --bundle`")
    names = _listed(metadata, bundle)
    for name, entry in names.items():
        path = bundle / name
        if not path.exists() or sha256_of(path) != entry["sha256"]:
            raise UserError(f"{path} is missing or was changed: export the bundle again")
    patterns = [METADATA_FILE, *TEXTS, _SAMPLES]
    patterns += [f"{name}/**" if (bundle / name).is_dir() else name for name in names]
    earlier = list(TEXTS)
    for network in {entry["network"] for entry in names.values()}:
        earlier.append(f"samples/{network}-*.png")
        for name in file_names(network):
            earlier += [name, f"{name}/**", f"samples/{name}.png"]
    with _hub(f"cannot upload to {repo}") as hub:
        api = hub.HfApi(library_name="tfgan2")
        url = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=url.repo_id,
            folder_path=bundle,
            allow_patterns=patterns,
            delete_patterns=earlier,  # those that are uploaded stay
            commit_message="Upload a generator exported by tfgan2",
        )
    return str(url)


def pull(repo: str, out: Path, *, revision: str | None = None) -> list[Path]:
    """Downloads the .tflite and .onnx files of a bundle, checks them, and returns their paths.

    Every file must have the sha256 in the bundle's metadata.json, and metadata of its own. Nothing
    is run. `out` is written all or not at all, with the card, the texts and the samples beside the
    files.

    Args:
        repo: OWNER/NAME, or a generator of this package such as `pretrained:digits`, whose folder
            is copied.
        out: a folder that does not exist, or is empty.
        revision: branch, tag or commit; default: the newest.

    Raises:
        UserError: no such repository, no access, the hub cannot be reached, the repository holds no
            such files, or one of them is not what the metadata say.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} exists: choose another folder")
    if repo.startswith(PREFIX):
        if revision is not None:
            raise UserError(f"{repo} has no revisions: leave --revision out")
        source = located(repo).parent
        with written_atomically(out, parents=True) as partial:
            shutil.copytree(source, partial)
        return sorted(path for path in out.iterdir() if path.suffix in LIBRARIES)
    with written_atomically(out, parents=True) as partial:
        partial.mkdir()
        _download(repo, revision, [METADATA_FILE], partial)
        metadata = folder.read_metadata(partial)
        if metadata is None:
            raise UserError(
                f"{repo} was not made by `tfgan2 push`: it has no {METADATA_FILE} of it"
            )
        entries = _listed(metadata, repo)
        entries = {name: entries[name] for name in entries if Path(name).suffix in LIBRARIES}
        if not entries:
            raise UserError(f"{repo} has no .tflite or .onnx file")
        _download(repo, revision, [*entries, *TEXTS, *_samples(entries)], partial)
        del metadata["artefacts"]
        folder.write_metadata(partial, metadata, entries.values())
        for name in entries:
            runtime.read_metadata(partial / name)  # compares the sha256 with the listed one
    return [out / name for name in entries]


def _listed(metadata: Mapping[str, Any], source: str | Path) -> dict[str, dict[str, Any]]:
    """Returns the artefacts by the names of their files, which are names of an export."""
    try:
        entries = {item["file"]: item for item in metadata["artefacts"]}
        good = all(
            name in file_names(Path(item["network"]).name) and isinstance(item["sha256"], str)
            for name, item in entries.items()
        )
    except (KeyError, TypeError):
        good = False
    if not good:
        raise UserError(f"{METADATA_FILE} of {source} is damaged: it lists no files of an export")
    return entries


def _samples(entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns the paths of the images that the card names; the code in it reads the inputs."""
    networks = dict.fromkeys(Path(entry["network"]).name for entry in entries.values())
    inputs = [f"samples/{network}-{kind}.png" for network in networks for kind in ("input", "mask")]
    return [*(f"samples/{name}.png" for name in entries), *inputs]


def _download(repo: str, revision: str | None, names: list[str], target: Path) -> None:
    """Downloads the files of these names that a repository has, through the hub's own cache."""
    with _hub(f"cannot download {repo}") as hub:
        found = Path(hub.snapshot_download(repo, revision=revision, allow_patterns=names))
    for name in names:
        if (found / name).is_file():
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(found / name, target / name)


@contextlib.contextmanager
def _hub(problem: str) -> Iterator[ModuleType]:
    """Yields huggingface_hub, and makes one line of its errors."""
    try:
        import huggingface_hub as hub
    except ImportError:
        raise UserError("the hub needs huggingface_hub: pip install 'tfgan2[hub]'") from None
    try:
        yield hub
    except UserError:
        raise
    except Exception as error:  # every HTTP library has its own
        raise UserError(f"{problem}: {_reason(error, hub)}") from error


def _reason(error: Exception, hub: ModuleType) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return "no access: log in with `hf auth login`, or set HF_TOKEN to a token that may write"
    if status == 404:
        return (
            "there is no such repository or revision, or it is private: check the name, or log in "
            "with `hf auth login`"
        )
    if re.search("Connect(Error|Timeout)", f"{type(error).__name__} {error}"):
        return f"{hub.constants.ENDPOINT} cannot be reached"
    return textwrap.shorten(str(error) or type(error).__name__, 200, placeholder="…")
