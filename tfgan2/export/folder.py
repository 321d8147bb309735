"""The export folder: nothing half-written in it, and nothing described as what it is not."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfgan2.errors import UserError
from tfgan2.export.artifact import Artifact
from tfgan2.export.formats import file_names
from tfgan2.files import written_atomically
from tfgan2.runtime.container import METADATA_FILE, sha256_of


@contextlib.contextmanager
def staging(out_dir: Path) -> Iterator[Path]:
    """Yields a temporary folder in `out_dir`; a new `out_dir` that stays empty is removed, too."""
    existed = out_dir.exists()
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=out_dir))
    except OSError as error:
        raise UserError(f"cannot write to {out_dir}: {error.strerror}") from error
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not existed:
            with contextlib.suppress(OSError):  # not empty: the export succeeded
                out_dir.rmdir()


def check_ours(out_dir: Path, networks: Iterable[str]) -> None:
    """Raises a UserError if the folder holds files with our names that no export has written."""
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError(f"{out_dir} is a file: give a folder")
    if read_metadata(out_dir) is None:
        for name in [
            *(name for network in networks for name in file_names(network)),
            METADATA_FILE,
        ]:
            if (out_dir / name).exists():
                raise UserError(
                    f"{out_dir / name} exists and `tfgan2 export` did not write it: "
                    "choose another folder"
                )


def read_metadata(folder: Path) -> dict[str, Any] | None:
    """Returns the metadata.json of an export; None if there is none."""
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return metadata if isinstance(metadata, dict) and "tfgan2_format" in metadata else None


def write_metadata(
    folder: Path, description: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> None:
    """Writes metadata.json."""
    text = json.dumps({**description, "artefacts": list(entries)}, indent=2, ensure_ascii=False)
    with written_atomically(folder / METADATA_FILE) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def commit(
    out_dir: Path, staged: Sequence[Artifact], descriptions: Mapping[str, Mapping[str, Any]]
) -> list[Artifact]:
    """Moves staged files to their final names and describes the folder.

    First the folder is described without the files that are about to change: if this is
    interrupted, no file is described as something that it is not.

    Args:
        out_dir: the export folder.
        staged: the new files, in a folder inside `out_dir`.
        descriptions: metadata of each network; that of the first describes the folder.
    """
    new = {artifact.path.name for artifact in staged}
    earlier = _listed(read_metadata(out_dir) or {})
    kept = [item for item in _current(out_dir, descriptions) if item["file"] not in new]
    description = next(iter(descriptions.values()))
    write_metadata(out_dir, description, kept)
    for item in earlier:
        if item["file"] not in new and item not in kept:
            _remove(out_dir / item["file"])
    for artifact in staged:
        with written_atomically(out_dir / artifact.path.name) as partial:
            artifact.path.rename(partial)
    final = [replace(artifact, path=out_dir / artifact.path.name) for artifact in staged]
    order = [name for network in descriptions for name in file_names(network)]
    entries = [*kept, *(artifact.listing() for artifact in final)]
    write_metadata(
        out_dir, description, sorted(entries, key=lambda item: order.index(item["file"]))
    )
    return final


def _listed(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the listed files that bear a name of ours: never one in another folder."""
    return [
        item
        for item in metadata.get("artefacts", [])
        if isinstance(item, dict)
        and Path(network := str(item.get("network"))).name == network
        and item.get("file") in file_names(network)
    ]


def _current(out_dir: Path, descriptions: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the entries of intact files from an earlier export with the same descriptions."""
    earlier = read_metadata(out_dir) or {}
    first = next(iter(descriptions.values()))
    if any(earlier.get(key) != first[key] for key in first if key != "versions"):
        return []
    weights = {name: item["weights_sha256"] for name, item in descriptions.items()}
    return [
        item
        for item in _listed(earlier)
        if item.get("weights_sha256") == weights.get(item["network"])
        and (out_dir / item["file"]).exists()
        and sha256_of(out_dir / item["file"]) == item.get("sha256")
    ]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
