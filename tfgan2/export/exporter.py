"""Writes the files of one network: convert, describe, read back, verify, time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2 import __version__
from tfgan2.export import verify
from tfgan2.export.artifact import Artifact, size_of
from tfgan2.export.examples import calibration_text, verification_cases
from tfgan2.export.formats import FORMATS
from tfgan2.export.graph import checked, deterministic_reference, expected, weights_sha256
from tfgan2.export.options import Options
from tfgan2.export.spec import ExportError, ExportSpec
from tfgan2.export.tflite import TFLiteModels
from tfgan2.runtime.backends import Backend, first_line, in_batches
from tfgan2.runtime.container import FORMAT_VERSION, sha256_of
from tfgan2.runtime.quiet import quiet

PACKAGES = (
    "tensorflow",
    "keras",
    "tf2onnx",
    "onnxruntime",
    "ai-edge-litert",
    "ai-edge-quantizer",
)


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
        """Computes what Keras makes of the inputs that verify.

        Raises:
            ExportError: the output of Keras is not finite, or differs from call to call.
            UserError: the network fits no format.
        """
        with quiet():
            self.name = name
            self.spec = spec = checked(replace(spec, uint8=options.output == "uint8"))
            self.options = options
            # Other seeds than that of the calibration, which a file is fitted to.
            self._cases = [
                (inputs, expected(spec, deterministic_reference(spec, inputs)))
                for inputs in verification_cases(spec, options.seed + 1)
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
                "versions": versions(),
            }

    @cached_property
    def tflite_models(self) -> TFLiteModels:
        """The TFLite models of the network in all precisions."""
        batch = self.options.batch or FORMATS["tflite"].batch or 1
        return TFLiteModels(self.spec, batch, self.options.seed)

    def export(self, path: Path, model_format: str, precision: str) -> Artifact:
        """Writes a new file or folder and verifies it.

        Raises:
            ExportError: the conversion is impossible, or the verification fails.
        """
        batch = self.options.batch or FORMATS[model_format].batch
        inputs, outputs = self.spec.describe(batch)
        metadata = {
            **self.description,
            "inputs": inputs,
            "outputs": outputs,
            "format": model_format,
            "precision": precision,
            "batch": batch,
        }
        with quiet():
            FORMATS[model_format].write(self, path, metadata)
            backend, results = self._run(path, model_format, batch)
            comparison = self._compare(path.name, results, precision)
            frechet = self._fidelity.measure(backend, batch)
            milliseconds = verify.milliseconds_per_image(backend, self._cases[0][0], batch)
        return Artifact(
            path=path,
            network=self.name,
            weights_sha256=self.description["weights_sha256"],
            format=model_format,
            precision=precision,
            batch=batch,
            inputs=inputs,
            outputs=outputs,
            sha256=sha256_of(path),
            float_layers=metadata.get("float_layers"),
            calibration=calibration_text(self.spec) if precision in ("int8", "mixed") else None,
            bytes=size_of(path),
            frechet=frechet,
            milliseconds_per_image=milliseconds,
            **asdict(comparison),
        )

    def _run(
        self, path: Path, model_format: str, batch: int | None
    ) -> tuple[Backend, list[np.ndarray]]:
        """Returns the file, read back as users read it, and its outputs for the cases."""
        try:
            backend = FORMATS[model_format].open(path)
            name = self.spec.output_name
            return backend, [in_batches(backend, inputs, name, batch) for inputs, _ in self._cases]
        # Whatever the libraries raise: a file that cannot be run must not be kept.
        except Exception as error:
            reason = first_line(error).replace(str(path), "it")
            raise ExportError(f"{path.name} was not kept, it cannot be run: {reason}") from error

    def _compare(self, name: str, results: list[np.ndarray], precision: str) -> verify.Comparison:
        tolerance = verify.UINT8_TOLERANCE if self.spec.uint8 else verify.FLOAT32_TOLERANCE
        comparison = verify.compare(
            results,
            [output for _, output in self._cases],
            name=name,
            tolerance=tolerance if precision == "float32" else None,
        )
        if not self.options.allow_lossy:
            verify.check_quality(comparison.psnr, name=name, precision=precision)
        return comparison


def versions() -> dict[str, str | None]:
    """Returns the versions of tfgan2 and of the libraries that convert and run."""
    found: dict[str, str | None] = {"tfgan2": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # tensorflow-cpu and the like
            found[package] = None
    return found


def _plain(value: Any) -> Any:
    """Converts what JSON does not know: NumPy's numbers to numbers, the rest to text."""
    return value.item() if isinstance(value, np.generic) else str(value)
