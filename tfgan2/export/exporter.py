"""Writes the files of one network: convert, describe, read back, verify, time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2 import __version__, runtime
from tfgan2.export import onnx_file, saved_model, verify
from tfgan2.export.folder import Artifact, size_of
from tfgan2.export.graph import checked, deterministic_reference, expected, weights_sha256
from tfgan2.export.options import Options
from tfgan2.export.spec import ExportError, ExportSpec, calibration_text, verification_cases
from tfgan2.export.tflite import TFLiteModels
from tfgan2.runtime.backends import Model, first_line
from tfgan2.runtime.container import FORMAT_VERSION, seal, sha256_of
from tfgan2.runtime.quiet import quiet

PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnxruntime", "ai-edge-litert", "ai-edge-quantizer")


class Exporter:
    """Writes and verifies the files of one network.

    Attributes:
        name: name of the network.
        spec: the network, checked and in float32.
        options: options of the export.
        description: metadata that all files of the network share.
    """

    def __init__(
        self, name: str, spec: ExportSpec, options: Options, about: Mapping[str, Any]
    ) -> None:
        """Checks the network, and computes what Keras makes of the inputs that verify."""
        with quiet():
            self.name = name
            self.spec = spec = checked(replace(spec, uint8=options.output == "uint8"))
            self.options = options
            # Other seeds than that of the calibration, which a file is fitted to.
            self._cases = verification_cases(spec, options.seed + 1)
            self._expected = [
                expected(spec, deterministic_reference(spec, inputs)) for inputs in self._cases
            ]
            self._fidelity = verify.Fidelity(spec, options.images, options.seed + 2)
            inputs, outputs = spec.describe(None)
            facts = {**spec.facts, "about": dict(about)}
            self.description: dict[str, Any] = {
                "tfgan2_format": FORMAT_VERSION,
                "inputs": inputs,
                "outputs": outputs,
                "latent": {"distribution": spec.latent_distribution, "dim": spec.latent_dim},
                "class_names": list(spec.class_names),
                # Through JSON, so that it equals what an earlier metadata.json holds.
                **json.loads(json.dumps(facts, default=_plain)),
                "weights_sha256": weights_sha256(spec),
                "versions": {"tfgan2": __version__, **{name: _version(name) for name in PACKAGES}},
            }

    @cached_property
    def _tflite_models(self) -> TFLiteModels:
        """The TFLite models of the network in all precisions."""
        return TFLiteModels(self.spec, self.options.batch or 1, self.options.seed)

    def export(self, path: Path, model_format: str, precision: str) -> Artifact:
        """Writes a new file or folder and verifies it; an ExportError if either is impossible."""
        batch = self.options.batch_of(model_format)
        inputs, outputs = self.spec.describe(batch)
        own: dict[str, Any] = {
            "inputs": inputs,
            "outputs": outputs,
            "format": model_format,
            "precision": precision,
            "batch": batch,
        }
        with quiet():
            float_layers = self._write(path, {**self.description, **own})
            model, results = self._read_back(path)
            figures = verify.compare(
                results, self._expected, path.name, verify.allowed_difference(self.spec, precision)
            )
            if not self.options.allow_lossy:
                verify.check_quality(figures["psnr"], path.name, precision)
            frechet = self._fidelity.measure(model)
            milliseconds = verify.milliseconds_per_image(model, self._cases[0])
        return Artifact(
            path=path,
            network=self.name,
            weights_sha256=self.description["weights_sha256"],
            sha256=sha256_of(path),
            float_layers=float_layers,
            calibration=calibration_text(self.spec) if precision in ("int8", "mixed") else None,
            bytes=size_of(path),
            frechet=frechet,
            milliseconds_per_image=milliseconds,
            **own,
            **figures,
        )

    def _write(self, path: Path, metadata: dict[str, Any]) -> list[str] | None:
        """Writes a file with its metadata; returns the layers in float of precision "mixed"."""
        float_layers = None
        match metadata["format"]:
            case "saved_model":
                saved_model.write(self.spec, path, metadata)
            case "onnx":
                model = onnx_file.convert(self.spec, metadata["batch"])
                path.write_bytes(seal(model, metadata, "onnx"))
            case "tflite":
                model, float_layers = self._tflite_models.make(metadata["precision"], path)
                if float_layers is not None:
                    metadata["float_layers"] = float_layers
                path.write_bytes(seal(model, metadata, "tflite"))
        return float_layers

    def _read_back(self, path: Path) -> tuple[Model, list[np.ndarray]]:
        """Returns the file, opened as users open it, and its outputs for the cases."""
        try:
            model = open_artifact(path)
            return model, [model(inputs) for inputs in self._cases]
        # Whatever the libraries raise: a file that cannot be run must not be kept.
        except Exception as error:
            reason = first_line(error).replace(str(path), "it")
            raise ExportError(f"{path.name} was not kept, it cannot be run: {reason}") from error


def open_artifact(path: Path) -> Model:
    """Opens an exported file, or a SavedModel folder, to run it on the CPU."""
    return saved_model.open_folder(path) if path.is_dir() else runtime.open_file(path)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # tensorflow-cpu and the like
        return None


def _plain(value: Any) -> Any:
    """Converts what JSON does not know: NumPy's numbers to numbers, the rest to text."""
    return value.item() if isinstance(value, np.generic) else str(value)
