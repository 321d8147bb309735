"""The export folder: nothing half-made in it, nothing described as what it is not."""

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
from tfgan2.export.options import file_names
from tfgan2.files import written_atomically
from tfgan2.runtime.container import METADATA_FILE, sha256_of


@contextlib.contextmanager
def staging(out_dir: Path) -> Iterator[Path]:
    """A folder in `out_dir`, removed in the end; `out_dir`, too, if it was made and stays empty."""
    existed = out_dir.exists()
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".partial-", dir=out_dir))
    except OSError as error:
        raise UserError(f"cannot write to {out_dir}: {error.strerror}") from error
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if not existed:
            with contextlib.suppress(OSError):  # not empty: the export succeeded
                out_dir.rmdir()


def check_ours(out_dir: Path, networks: Iterable[str]) -> None:
    """Raises a UserError if files stand there under our names that no export has written."""
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError(f"{out_dir} is a file: give a folder")
    if read_metadata(out_dir) is None:
        ours = [name for network in networks for name in file_names(network)]
        for name in [*ours, METADATA_FILE]:
            if (out_dir / name).exists():
                raise UserError(
                    f"{out_dir / name} exists and `tfgan2 export` did not write it: "
                    "choose another folder"
                )


def read_metadata(folder: Path) -> dict[str, Any] | None:
    """The metadata.json of an export, None where there is none."""
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return metadata if isinstance(metadata, dict) and "tfgan2_format" in metadata else None


def commit(
    out_dir: Path,
    made: Sequence[Artifact],
    descriptions: Mapping[str, Mapping[str, Any]],
) -> list[Artifact]:
    """Moves what was made to its final names and describes the folder.

    The description goes first to what stays: whenever this breaks off, no file that stands there
    is described as something it is not.

    Args:
        out_dir: the folder.
        made: artefacts, staged in it.
        descriptions: of each network by its name; that of the first is the folder's.

    Returns:
        The artefacts under their final names.
    """
    earlier = [item["file"] for item in _listed(read_metadata(out_dir) or {})]
    replaced = {artifact.path.name for artifact in made}
    kept = [item for item in _current(out_dir, descriptions) if item["file"] not in replaced]
    description = next(iter(descriptions.values()))
    write_metadata(out_dir, description, kept)
    names_kept = {item["file"] for item in kept}
    for name in earlier:
        if name not in replaced and name not in names_kept:
            _remove(out_dir / name)
    for artifact in made:
        with written_atomically(out_dir / artifact.path.name) as partial:
            artifact.path.rename(partial)
    final = [replace(artifact, path=out_dir / artifact.path.name) for artifact in made]
    listed = [*kept, *(artifact.listing() for artifact in final)]
    order = [name for network in descriptions for name in file_names(network)]
    listed.sort(key=lambda item: order.index(item["file"]))
    write_metadata(out_dir, description, listed)
    return final


def write_metadata(
    folder: Path, description: Mapping[str, Any], artefacts: Sequence[Mapping[str, Any]]
) -> None:
    """Writes metadata.json."""
    text = json.dumps({**description, "artefacts": list(artefacts)}, indent=2, ensure_ascii=False)
    with written_atomically(folder / METADATA_FILE) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _listed(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The artefacts that a metadata.json lists, as far as it can be trusted to name our files."""
    found = metadata.get("artefacts", [])
    return [
        item
        for item in found
        if isinstance(item, dict) and _is_ours(str(item.get("network")), item.get("file"))
    ]


def _is_ours(network: str, file: Any) -> bool:
    """Whether an export writes a file of this name: never one in another folder."""
    return Path(network).name == network and file in file_names(network)


def _current(out_dir: Path, descriptions: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The artefacts of an earlier export that the descriptions are true of, intact ones only."""
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
