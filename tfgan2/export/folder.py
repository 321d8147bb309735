"""The export folder: nothing half-written in it, and nothing described as what it is not."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tfgan2.errors import UserError, writing
from tfgan2.export.options import (
    BUNDLE,
    LAYOUTS,
    Options,
    file_names,
    package_name,
    page_folder,
)
from tfgan2.files import remove, written_atomically
from tfgan2.runtime.container import METADATA_FILE, sha256_of

_WEIGHTS = re.compile(rb'"weights_sha256": "([0-9a-f]{64})"')
_INSIDE = (
    *(METADATA_FILE, "model.json", "Data/com.apple.CoreML/model.mlmodel"),
    *(f"1/assets.extra/{METADATA_FILE}", "1/model.onnx"),
)
"""Where a bundle, a page, a package and the models of the layouts have their metadata."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One exported file or folder, as verified.

    Attributes:
        path: the file or folder.
        network: name of the network, "generator" if the model has one only.
        weights_sha256: sha256 of the network's weights.
        format, precision: names from FORMATS and PRECISIONS.
        batch: fixed batch size; None if it is free.
        inputs, outputs: name, dtype, shape and meaning of each.
        sha256: sha256 of the file with its metadata; of a folder, see `container.sha256_of`.
        float_layers: layers that compute in float; None unless the precision is "mixed".
        calibration: inputs that int8 was calibrated on; None for other precisions.
        bytes: size; of a SavedModel, of all its files.
        max_difference, mean_difference: absolute differences from Keras, of values in [-1, 1]. A
            uint8 output is compared with the rounded images of Keras.
        picture_difference: mean absolute difference of the uint8 images, in steps of 0…255.
        psnr: signal-to-noise ratio to Keras in decibels, of uint8 images, or of the values of
            points and sentences; at most 100, which stands for identical.
        frechet: `distance` between the file's images and those of Keras for the same inputs,
            `features`, the feature space, and `images`, their number.
        milliseconds_per_image: median on all cores of this machine's CPU; one image at a time
            unless `batch` is larger.
    """

    path: Path
    network: str
    weights_sha256: str
    format: str
    precision: str
    batch: int | None
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    sha256: str
    float_layers: list[str] | None
    calibration: str | None
    bytes: int
    max_difference: float
    mean_difference: float
    picture_difference: float
    psnr: float
    frechet: Mapping[str, Any]
    milliseconds_per_image: float

    def listing(self) -> dict[str, Any]:
        """Returns the entry of the file in metadata.json."""
        values = {item.name: getattr(self, item.name) for item in fields(self)[1:]}
        for name in ("float_layers", "calibration"):
            if values[name] is None:
                del values[name]
        return {"file": self.path.name, **values}


def size_of(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    return sum(item.stat().st_size for item in (path, *path.rglob("*")) if item.is_file())


@contextlib.contextmanager
def staging(out_dir: Path) -> Iterator[Path]:
    """Yields a temporary folder in `out_dir`; a new `out_dir` that stays empty is removed, too."""
    existed = out_dir.exists()
    with writing(out_dir):
        out_dir.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=out_dir))
    try:
        yield temporary
    finally:
        remove(temporary)
        if not existed:
            with contextlib.suppress(OSError):  # not empty: the export succeeded
                out_dir.rmdir()


def check_ours(out_dir: Path, networks: Collection[str], options: Options) -> None:
    """Raises a UserError if the folder holds files with our names that no export has written.

    Checks `bundle/` and the models of a layout only if the options ask for them.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError(f"{out_dir} is a file: give a folder")
    names = [METADATA_FILE, f"{BUNDLE}.zip"]
    for network in networks:
        names += [*file_names(network), package_name(network)]
        names += [f"{layout}/{network}" for layout in options.layouts]
    if read_metadata(out_dir) is not None:
        names.clear()
    if options.bundle and read_metadata(out_dir / BUNDLE) is None:
        names.append(BUNDLE)
    for path in (out_dir / name for name in names):
        if path.exists():
            raise UserError(
                f"{path} exists and `tfgan2 export` did not write it: choose another folder"
            )


def read_metadata(folder: Path) -> dict[str, Any] | None:
    """Returns the metadata.json of an export; None if there is none."""
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return metadata if isinstance(metadata, dict) and "tfgan2_format" in metadata else None


def write_metadata(
    folder: Path, description: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]
) -> None:
    text = json.dumps({**description, "artefacts": list(entries)}, indent=2, ensure_ascii=False)
    with written_atomically(folder / METADATA_FILE) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def commit(
    out_dir: Path,
    staging: Path,
    staged: Sequence[Artifact],
    descriptions: Mapping[str, Mapping[str, Any]],
) -> list[Artifact]:
    """Moves what is staged to its final names, and describes the folder as its first network.

    At first without the files that are about to change, and what else has other weights is removed:
    if this is interrupted, nothing is described as something that it is not.
    """
    new = {artifact.path.name for artifact in staged}
    description = next(iter(descriptions.values()))
    earlier = read_metadata(out_dir) or {}
    same = all(earlier.get(key) == description[key] for key in description if key != "versions")
    others = [item for item in _listed(earlier) if item["file"] not in new]
    kept = [item for item in others if same and _is_current(out_dir, item, descriptions)]
    write_metadata(out_dir, description, kept)
    for item in others:
        if item not in kept:
            remove(out_dir / item["file"])
    current = {network["weights_sha256"] for network in descriptions.values()}
    networks = {*descriptions, *(item["network"] for item in _listed(earlier))}
    networks |= {path.stem for path in out_dir.glob(package_name("*"))}  # these are not listed
    for path in (out_dir / name for name in _companions(networks)):
        if (weights := _weights_in(path)) and not (same and weights <= current):
            remove(path)
            if path.parent != out_dir:
                with contextlib.suppress(OSError):  # it holds models of others
                    path.parent.rmdir()
    final = []
    for artifact in staged:
        path = out_dir / artifact.path.name
        with written_atomically(path) as partial:
            artifact.path.rename(partial)
        final.append(replace(artifact, path=path))
    entries = {item["file"]: item for item in (*kept, *(item.listing() for item in final))}
    order = [name for network in descriptions for name in file_names(network)]
    write_metadata(out_dir, description, (entries[name] for name in order if name in entries))
    for name in _companions(descriptions):
        if (staging / name).exists():
            with written_atomically(out_dir / name, parents=True) as partial:
                (staging / name).rename(partial)
    return final


def _companions(networks: Iterable[str]) -> Iterator[str]:
    """Yields the paths in the folder of what an export may write besides the listed files."""
    yield from (BUNDLE, f"{BUNDLE}.zip")
    for network in networks:
        yield from (package_name(network), page_folder(Path(), network).name)
        yield from (f"{layout}/{network}" for layout in LAYOUTS)


def _weights_in(path: Path) -> set[str]:
    """Returns the hashes of the weights in such a path; none if no export wrote it."""
    try:
        if path.is_file():
            with zipfile.ZipFile(path) as archive:
                content = archive.read(f"{BUNDLE}/{METADATA_FILE}")
        else:
            found = (path / name for name in _INSIDE if (path / name).is_file())
            content = next(found).read_bytes()
    # A damaged zip raises any of the last four.
    except (OSError, StopIteration, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return set()
    return {match.decode() for match in _WEIGHTS.findall(content)}


def _listed(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the listed files that bear a name of ours: never one in another folder."""
    return [
        item
        for item in metadata.get("artefacts", [])
        if isinstance(item, dict)
        and Path(network := str(item.get("network"))).name == network
        and item.get("file") in file_names(network)
    ]


def _is_current(
    out_dir: Path, item: Mapping[str, Any], descriptions: Mapping[str, Mapping[str, Any]]
) -> bool:
    """True if a listed file is intact and has the weights that its network still has."""
    path, network = out_dir / item["file"], descriptions.get(item["network"], {})
    return (
        item.get("weights_sha256") == network.get("weights_sha256")
        and path.exists()
        and sha256_of(path) == item.get("sha256")
    )
