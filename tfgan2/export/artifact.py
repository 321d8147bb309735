"""One exported file or folder, as verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
        max_difference: the largest absolute difference from Keras, of values in [-1, 1]. Where the
            output is uint8, from Keras' images rounded likewise.
        mean_difference: the mean absolute difference.
        picture_difference: the mean absolute difference of the pictures, in steps of 0…255.
        psnr: the signal-to-noise ratio of the pictures to those of Keras, in decibels, at most
            100, which stands for identical; of what is no picture, that of the values.
        frechet: `distance` between its images and those of Keras from the same inputs, `features`,
            the space, and `images`, how many.
        float_layers: of the precision "mixed": the layers that compute in float.
        calibration: of the precisions "int8" and "mixed": what the inputs were.
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
    psnr: float
    frechet: Mapping[str, Any]
    float_layers: tuple[str, ...]
    calibration: str | None
    milliseconds_per_image: float
    inputs: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...]

    def figures(self) -> dict[str, Any]:
        """What was measured."""
        return {
            "bytes": self.bytes,
            "max_difference": self.max_difference,
            "mean_difference": self.mean_difference,
            "picture_difference": self.picture_difference,
            "psnr": self.psnr,
            "frechet": dict(self.frechet),
            "milliseconds_per_image": self.milliseconds_per_image,
        }

    def listing(self) -> dict[str, Any]:
        """Its entry in metadata.json."""
        quantized = {
            "float_layers": list(self.float_layers) if self.precision == "mixed" else None,
            "calibration": self.calibration,
        }
        return {
            "file": self.path.name,
            "network": self.network,
            "weights_sha256": self.weights_sha256,
            "format": self.format,
            "precision": self.precision,
            "batch": self.batch,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "sha256": self.sha256,
            **{key: value for key, value in quantized.items() if value is not None},
            **self.figures(),
        }
