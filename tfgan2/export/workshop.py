"""Makes artefacts one by one: convert, describe, write, read back, verify."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2 import __version__, runtime
from tfgan2.export import Network, Options, saved_model, verify
from tfgan2.export.artifact import Artifact
from tfgan2.export.fidelity import Fidelity
from tfgan2.export.options import ExportError
from tfgan2.export.precision import LowerPrecision
from tfgan2.export.subject import Subject, check_deterministic, make_subject
from tfgan2.runtime.backends import Backend, first_line, in_batches
from tfgan2.runtime.container import FORMAT_VERSION, METADATA_FILE, seal, sha256_of
from tfgan2.runtime.quiet import quiet

# Where the SavedModel format leaves room for files of one's own.
SAVED_MODEL_EXTRA = "assets.extra"


class Workshop:
    """Makes the artefacts of one network.

    Attributes:
        name: of the network.
        description: the metadata that all of them share.
    """

    def __init__(
        self,
        name: str,
        subject: Subject,
        about: Mapping[str, Any],
        options: Options,
        source: str | None,
    ) -> None:
        """
        Args:
            name: of the network.
            subject: the network.
            about: what else the metadata tells.
            options: what is asked of the export.
            source: where the subject's examples come from.

        Raises:
            ExportError: its images are not finite, or differ from call to call.
        """
        self.name = name
        self.subject = subject
        self.options = options
        # Another seed than the calibration's: a file must not be judged by what it was fitted to.
        drawn = subject.cases(verify.LATENTS, options.seed + 1)
        self.cases = [
            (inputs, subject.expected(check_deterministic(subject, inputs))) for inputs in drawn
        ]
        self.fidelity = Fidelity(subject, options.images, options.seed + 2)
        self._lower = LowerPrecision(subject, options.seed, source)
        described, outputs = subject.describe(None)
        self.description: dict[str, Any] = {
            "tfgan2_format": FORMAT_VERSION,
            "inputs": described,
            "outputs": outputs,
            "latent": {"distribution": subject.latent_distribution, "dim": subject.latent_dim},
            "class_names": list(subject.class_names),
            # Through JSON once, so that it equals what an earlier metadata.json holds of it.
            **json.loads(json.dumps({**subject.facts, "about": dict(about)}, default=_plain)),
            "weights_sha256": subject.weights_sha256(),
            "versions": versions(),
        }

    def make(self, path: Path, model_format: str, precision: str) -> Artifact:
        """Makes an artefact and verifies it.

        Args:
            path: where to; nothing stands there.
            model_format: "saved_model", "tflite" or "onnx".
            precision: of TFLite; "float32" for the others.

        Raises:
            ExportError: the conversion is not possible, or the verification failed.
        """
        batch = self.options.batch
        if model_format == "tflite":
            batch = batch or 1
        inputs, outputs = self.subject.describe(batch)
        metadata = {
            **self.description,
            "inputs": inputs,
            "outputs": outputs,
            "format": model_format,
            "precision": precision,
            "batch": batch,
        }
        with quiet():
            float_layers: list[str] = []
            if model_format == "saved_model":
                self._write_saved_model(path, metadata)
            else:
                if model_format == "onnx":
                    model = self._onnx(batch)
                else:
                    model, float_layers = self._lower.make(path, precision, batch or 1)
                if precision == "mixed":
                    metadata["float_layers"] = float_layers
                path.write_bytes(seal(model, metadata, model_format))
            backend, made = self._run(path, batch)
            comparison = self._compare(path.name, made, precision)
            frechet = self.fidelity.measure(backend, batch)
            milliseconds = verify.milliseconds_per_image(backend, self.cases[0][0], batch)
        return Artifact(
            path=path,
            network=self.name,
            weights_sha256=self.description["weights_sha256"],
            format=model_format,
            precision=precision,
            batch=batch,
            bytes=size_of(path),
            sha256=sha256_of(path),
            frechet=frechet,
            float_layers=tuple(float_layers),
            calibration=self._lower.calibration if precision in ("int8", "mixed") else None,
            milliseconds_per_image=milliseconds,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            **asdict(comparison),
        )

    def _compare(self, name: str, made: list[np.ndarray], precision: str) -> verify.Comparison:
        tolerance = verify.ONE_STEP if self.subject.rounds else verify.FLOAT32_TOLERANCE
        comparison = verify.compare(
            made,
            [expected for _, expected in self.cases],
            name=name,
            tolerance=tolerance if precision == "float32" else None,
        )
        if not self.options.allow_lossy:
            verify.check_quality(comparison.psnr, name=name, precision=precision)
        return comparison

    def open(self, path: Path) -> Backend:
        """What runs an artefact."""
        return saved_model.SavedModel(path) if path.is_dir() else runtime.open_file(path)[0]

    def _run(self, path: Path, batch: int | None) -> tuple[Backend, list[np.ndarray]]:
        """The artefact as it stands, read back by the code that users run it with, and its outputs.

        Raises:
            ExportError: it cannot be read or run.
        """
        try:
            backend = self.open(path)
            outputs = [
                in_batches(backend, inputs, self.subject.output, batch) for inputs, _ in self.cases
            ]
            return backend, outputs
        # Whatever the libraries raise: a file that cannot be run must not be kept.
        except Exception as error:
            reason = first_line(error).replace(str(path), "it")
            raise ExportError(f"{path.name} was not kept, it cannot be run: {reason}") from error

    def _write_saved_model(self, path: Path, metadata: dict[str, Any]) -> None:
        saved_model.write(self.subject, path, metadata["batch"])
        (path / SAVED_MODEL_EXTRA).mkdir()
        (path / SAVED_MODEL_EXTRA / METADATA_FILE).write_text(
            json.dumps(metadata, indent=1, ensure_ascii=False), encoding="utf-8"
        )

    def _onnx(self, batch: int | None) -> bytes:
        from tfgan2.export import onnx_file

        return onnx_file.convert(self.subject, batch)


def open_workshop(
    name: str,
    network: Network,
    options: Options,
    *,
    latent_distribution: str,
    class_names: tuple[str, ...],
    about: Mapping[str, Any],
) -> Workshop:
    """Prepares a network for export; the arguments are those of `export_networks`.

    Raises:
        ExportError: its images are not finite, or differ from call to call.
        UserError: inputs or outputs that no format describes, or that cannot be rounded.
    """
    with quiet():
        subject = make_subject(
            network.model,
            latent_distribution,
            class_names,
            network.facts,
            rounds=options.output == "uint8",
            examples=network.examples,
        )
        return Workshop(name, subject, about, options, network.source)


def versions() -> dict[str, str | None]:
    """What the artefacts were made with."""
    packages = (
        "tensorflow",
        "keras",
        "tf2onnx",
        "onnxruntime",
        "ai-edge-litert",
        "ai-edge-quantizer",
    )
    found: dict[str, str | None] = {"tfgan2": __version__}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # tensorflow-cpu and the like
            found[package] = None
    return found


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
    return path.stat().st_size


def _plain(value: Any) -> Any:
    """What JSON does not know: NumPy's numbers as numbers, the rest as text."""
    return value.item() if isinstance(value, np.generic) else str(value)
