"""One exported file or folder, as verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

FIGURES = (
    "bytes",
    "max_difference",
    "mean_difference",
    "picture_difference",
    "psnr",
    "frechet",
    "milliseconds_per_image",
)


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One exported file or folder, as verified.

    Attributes:
        path: the file or folder.
        network: name of the network, "generator" if the model has one only.
        weights_sha256: sha256 of the network's weights.
        format: a name from FORMATS.
        precision: a name from PRECISIONS.
        batch: fixed batch size; None if it is free.
        inputs: name, dtype, shape and meaning of each input.
        outputs: the same of the output.
        sha256: sha256 of the file with its metadata; of a folder, see `container.sha256_of`.
        float_layers: layers that compute in float; None unless the precision is "mixed".
        calibration: inputs that int8 was calibrated on; None for other precisions.
        bytes: size; of a SavedModel, of all its files.
        max_difference: largest absolute difference from Keras, of values in [-1, 1]. A uint8 output
            is compared with the rounded images of Keras.
        mean_difference: mean absolute difference.
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

    def figures(self) -> dict[str, Any]:
        """Returns what was measured."""
        return {name: getattr(self, name) for name in FIGURES}

    def listing(self) -> dict[str, Any]:
        """Returns the entry of the file in metadata.json."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        del values["path"]
        for name in ("float_layers", "calibration"):
            if values[name] is None:
                del values[name]
        return {"file": self.path.name, **values}


def size_of(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
    return path.stat().st_size
