"""A trained generator becomes SavedModel, TFLite and ONNX, each verified against Keras.

Importing this package imports no TensorFlow; `export_generator` does.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2.errors import UserError, unknown
from tfgan2.files import written_atomically
from tfgan2.runtime.container import METADATA_FILE, sha256_of

if TYPE_CHECKING:
    import keras

    from tfgan2.export.artefacts import Workshop

__all__ = [
    "FORMATS",
    "PRECISIONS",
    "Artifact",
    "ExportError",
    "check_request",
    "export_generator",
    "export_networks",
]

FORMATS = ("saved_model", "tflite", "onnx")
PRECISIONS = ("float32", "float16", "dynamic", "int8")  # of TFLite; the others are float32


class ExportError(UserError):
    """The generator cannot be exported so, or the file does not do what Keras does."""


@dataclass(frozen=True)
class Artifact:
    """One exported file or folder, as verified.

    Attributes:
        path: where it stands.
        network: which of the model's networks it is, "generator" where there is one only.
        weights_sha256: of that network's weights.
        format: one of FORMATS.
        precision: one of PRECISIONS.
        batch: how many images it makes at once, None where that is free.
        bytes: its size; of a SavedModel, of all its files.
        sha256: of the file as it stands, metadata included; `container.sha256_of` for a folder.
        max_difference: the largest absolute difference from Keras, of values in [-1, 1].
        mean_difference: the mean absolute difference.
        picture_difference: the mean absolute difference of the pictures, in steps of 0…255.
        milliseconds_per_image: median on this machine's CPU, on all cores; one image at a time
            unless `batch` is larger.
        inputs: name, dtype and shape of each input, None for a free batch size.
        outputs: the same of each output, with its range and layout.
    """

    path: Path
    network: str
    weights_sha256: str
    format: str
    precision: str
    batch: int | None
    bytes: int
    sha256: str
    max_difference: float
    mean_difference: float
    picture_difference: float
    milliseconds_per_image: float
    inputs: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...]

    def listing(self) -> dict[str, Any]:
        """Its entry in metadata.json."""
        return {
            "file": self.path.name,
            "network": self.network,
            "weights_sha256": self.weights_sha256,
            "format": self.format,
            "precision": self.precision,
            "batch": self.batch,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "max_difference": self.max_difference,
            "mean_difference": self.mean_difference,
            "picture_difference": self.picture_difference,
            "milliseconds_per_image": self.milliseconds_per_image,
        }


def file_name(network: str, model_format: str, precision: str) -> str:
    """The name of an artefact in the export folder."""
    if model_format == "saved_model":
        return "saved_model" if network == "generator" else f"{network}.saved_model"
    if model_format == "onnx":
        return f"{network}.onnx"
    return f"{network}.tflite" if precision == "float32" else f"{network}.{precision}.tflite"


def _files(network: str) -> list[str]:
    """Every name that an export of a network may use, in the order of FORMATS and PRECISIONS."""
    return [
        file_name(network, model_format, precision)
        for model_format in FORMATS
        for precision in (PRECISIONS if model_format == "tflite" else ("float32",))
    ]


def check_request(
    formats: Sequence[str], precisions: Sequence[str], batch: int | None = None
) -> list[tuple[str, str]]:
    """What an export with these arguments makes; needs no model and no TensorFlow.

    Args:
        formats: of FORMATS.
        precisions: of PRECISIONS; of the TFLite files.
        batch: a fixed batch size, or None.

    Returns:
        (format, precision) of each artefact, in the order of FORMATS and PRECISIONS.

    Raises:
        UserError: an unknown name, none at all, a precision that no format takes, batch < 1.
    """
    for name in formats:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    for name in precisions:
        if name not in PRECISIONS:
            raise unknown("precision", name, PRECISIONS)
    if not formats:
        raise UserError(f"no format given: choose from {', '.join(FORMATS)}")
    if not precisions:
        raise UserError(f"no precision given: choose from {', '.join(PRECISIONS)}")
    reduced = [name for name in precisions if name != "float32"]
    if reduced and "tflite" not in formats:
        raise UserError(
            f"precision {reduced[0]} is for tflite only, {' and '.join(formats)} "
            f"{'is' if len(formats) == 1 else 'are'} float32: add the format tflite"
        )
    if batch is not None and batch < 1:
        raise UserError(f"batch must be at least 1, not {batch}")
    return [
        (model_format, precision)
        for model_format in FORMATS
        if model_format in formats
        for precision in (PRECISIONS if model_format == "tflite" else ("float32",))
        if model_format != "tflite" or precision in precisions
    ]


def export_generator(
    generator: keras.Model,
    out_dir: Path,
    *,
    formats: Sequence[str] = FORMATS,
    precisions: Sequence[str] = ("float32",),
    batch: int | None = None,
    latent_distribution: str = "normal",
    class_names: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Artifact]:
    """Writes a generator in other formats and verifies each against Keras.

    All or nothing: when one artefact fails, the folder stays as it was. Artefacts that an earlier
    export left are kept when they were made of the same weights with the same description, and
    removed when not. In the folder stand `saved_model/`, `generator.tflite`,
    `generator.PRECISION.tflite`, `generator.onnx`, as asked for, and `metadata.json`.

    Args:
        generator: a functional model with the inputs `z`, float32, shape (latent_dim,), and
            perhaps `label`, int32, shape (), and one output, shape (H, W, C), in [-1, 1]. Its
            dtype policy may be a mixed one: the files compute in float32.
        out_dir: where to; made if it is missing.
        formats: of FORMATS.
        precisions: of PRECISIONS; of the TFLite files.
        batch: a fixed batch size for all; default: 1 for TFLite, which mobile GPUs need, and free
            for the others.
        latent_distribution: what the latents were drawn from in training, "normal" or "uniform".
        class_names: the names of the labels 0, 1, …; needed by a generator with labels.
        about: what else the metadata shall tell, for example flavour, dataset and step.
        seed: of the latents that calibrate int8 and of those that verify.
        progress: called with a line of text before each artefact.

    Returns:
        The artefacts of this call, in the order of FORMATS and PRECISIONS.

    Raises:
        ExportError: a conversion is not possible, or an artefact's images are not finite or, in
            float32, differ from those of Keras by more than 1e-4.
        UserError: arguments that are not possible, or a folder that holds other people's files.
    """
    return export_networks(
        {"generator": generator},
        out_dir,
        formats=formats,
        precisions=precisions,
        batch=batch,
        latent_distribution=latent_distribution,
        class_names=class_names,
        about=about,
        seed=seed,
        progress=progress,
    )


def export_networks(
    networks: Mapping[str, keras.Model],
    out_dir: Path,
    *,
    facts: Mapping[str, Mapping[str, Any]] | None = None,
    formats: Sequence[str] = FORMATS,
    precisions: Sequence[str] = ("float32",),
    batch: int | None = None,
    latent_distribution: str = "normal",
    class_names: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Artifact]:
    """As `export_generator`, for a model that has several networks, or one that takes images.

    Args:
        networks: by the names of their files. Besides the inputs of a generator of latents they may
            have `z` and `text`, a sentence of shape (dim,); `input`, an image of shape (H, W, C) in
            [-1, 1], H and W None for any; `input` and `mask`, of shape (H, W, 1); or `words`,
            int32, shape (length,), which makes `text`.
        out_dir: where to; made if it is missing.
        facts: what the metadata of each network tells besides, by its name. `size`, `multiple` and
            `scale` of one that takes images are the size that it was trained with, what its height
            and width must be multiples of, and how many times as large its output is.
        formats: of FORMATS.
        precisions: of PRECISIONS.
        batch: as for `export_generator`, and so are the others.

    Returns:
        The artefacts of this call, network by network.

    Raises:
        ExportError: as `export_generator`.
        UserError: likewise.
    """
    plan = check_request(formats, precisions, batch)
    out_dir = Path(out_dir)
    _check_ours(out_dir, networks)
    report = progress or (lambda text: None)

    report(f"preparing the {' and the '.join(networks).replace('_', ' ')}")
    from tfgan2.export.artefacts import open_workshop

    workshops = {
        name: open_workshop(
            network,
            name=name,
            facts=(facts or {}).get(name, {}),
            latent_distribution=latent_distribution,
            class_names=tuple(class_names),
            about=about or {},
            seed=seed,
        )
        for name, network in networks.items()
    }
    with _staging(out_dir) as staging:
        made = []
        for network, workshop in workshops.items():
            for model_format, precision in plan:
                name = file_name(network, model_format, precision)
                report(f"writing and verifying {name}")
                made.append(workshop.make(staging / name, model_format, precision, batch))
        return _commit(out_dir, staging, made, list(workshops.values()))


@contextlib.contextmanager
def _staging(out_dir: Path) -> Iterator[Path]:
    """A folder in `out_dir`, removed in the end; `out_dir`, too, if it was made and stays empty."""
    existed = out_dir.exists()
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=out_dir))
    except OSError as error:
        raise UserError(f"cannot write to {out_dir}: {error.strerror}") from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not existed:
            with contextlib.suppress(OSError):  # not empty: the export succeeded
                out_dir.rmdir()


def _check_ours(out_dir: Path, networks: Iterable[str]) -> None:
    """Raises a UserError if files stand there under our names that no export has written."""
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError(f"{out_dir} is a file: give a folder")
    if _earlier_metadata(out_dir) is None:
        for name in [*(name for network in networks for name in _files(network)), METADATA_FILE]:
            if (out_dir / name).exists():
                raise UserError(
                    f"{out_dir / name} exists and `tfgan2 export` did not write it: "
                    "choose another folder"
                )


def _earlier_metadata(out_dir: Path) -> dict[str, Any] | None:
    try:
        metadata = json.loads((out_dir / METADATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return metadata if isinstance(metadata, dict) and "tfgan2_format" in metadata else None


def _commit(
    out_dir: Path, staging: Path, made: Sequence[Artifact], workshops: Sequence[Workshop]
) -> list[Artifact]:
    """Moves what was made to its final names and describes the folder.

    The description goes first to what stays: whenever this breaks off, no file that stands there
    is described as something it is not.
    """
    earlier = [item["file"] for item in _listed(_earlier_metadata(out_dir) or {})]
    replaced = {artifact.path.name for artifact in made}
    kept = [item for item in _current(out_dir, workshops) if item["file"] not in replaced]
    description = workshops[0].description
    _write_metadata(out_dir, description, kept)
    names_kept = {item["file"] for item in kept}
    for name in earlier:
        if name not in replaced and name not in names_kept:
            _remove(out_dir / name)
    for artifact in made:
        with written_atomically(out_dir / artifact.path.name) as partial:
            artifact.path.rename(partial)
    final = [
        Artifact(**{**vars(artifact), "path": out_dir / artifact.path.name}) for artifact in made
    ]
    listed = [*kept, *(artifact.listing() for artifact in final)]
    order = [name for workshop in workshops for name in _files(workshop.name)]
    listed.sort(key=lambda item: order.index(item["file"]))
    _write_metadata(out_dir, description, listed)
    return final


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
    return Path(network).name == network and file in _files(network)


def _current(out_dir: Path, workshops: Sequence[Workshop]) -> list[dict[str, Any]]:
    """The artefacts of an earlier export that the descriptions are true of, intact ones only."""
    earlier = _earlier_metadata(out_dir) or {}
    first = workshops[0].description
    if any(earlier.get(key) != first[key] for key in first if key != "versions"):
        return []
    weights = {workshop.name: workshop.description["weights_sha256"] for workshop in workshops}
    return [
        item
        for item in _listed(earlier)
        if item.get("weights_sha256") == weights.get(item["network"])
        and (out_dir / item["file"]).exists()
        and sha256_of(out_dir / item["file"]) == item.get("sha256")
    ]


def _write_metadata(
    out_dir: Path, description: Mapping[str, Any], artefacts: Sequence[Mapping[str, Any]]
) -> None:
    text = json.dumps({**description, "artefacts": list(artefacts)}, indent=2, ensure_ascii=False)
    with written_atomically(out_dir / METADATA_FILE) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
