"""Writes the files of one network: convert, describe, read back, verify, time."""

from __future__ import annotations

import json
import statistics
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2 import runtime
from tfgan2.export import coreml, graph, onnx_file, saved_model
from tfgan2.export.folder import Artifact, size_of
from tfgan2.export.options import COREML, Options
from tfgan2.export.spec import ExportError, ExportSpec, draw_inputs, verification_cases
from tfgan2.export.tflite import TFLiteModels
from tfgan2.images import to_uint8
from tfgan2.metrics import RANDOM_CONVOLUTIONS, frechet_distance, random_convolutions
from tfgan2.metrics import statistics as feature_statistics
from tfgan2.runtime.backends import Inputs, Model, first_line
from tfgan2.runtime.container import FORMAT_VERSION, seal, sha256_of
from tfgan2.runtime.quiet import quiet

PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnxruntime", "ai-edge-litert", "ai-edge-quantizer")

FLOAT32_TOLERANCE = 1e-4
UINT8_TOLERANCE = 2.01 / 255
"""One step of 0…255: a value between two steps may be rounded to either."""
LEAST_PSNR = 25.0
"""Decibels. Below that the difference is plain to see, and a file is refused by default."""

VALUES = "values"
"""The feature space of points and sentences."""
MOST_IMAGES = {"latents": 2000, "images": 200}
"""A network that takes images computes far longer for each."""


class Exporter:
    """Writes and verifies the files of one network.

    `spec` is checked and in float32; `description` is the metadata that all files share.
    """

    def __init__(
        self, name: str, spec: ExportSpec, options: Options, about: Mapping[str, Any]
    ) -> None:
        """Checks the network, and computes what Keras makes of the inputs that verify."""
        with quiet():
            self.name = name
            self.spec = spec = graph.checked(replace(spec, uint8=options.output == "uint8"))
            self.options = options
            # Other seeds than that of the calibration, which a file is fitted to.
            self._cases = verification_cases(spec, options.seed + 1)
            self._expected = [graph.verified_output(spec, inputs) for inputs in self._cases]
            self._tflite = TFLiteModels(spec, options)
            self._fidelity = Fidelity(spec, options.images, options.seed + 2)
            dim = next((item.shape[1] for item in spec.network.inputs if item.name == "z"), 0)
            facts = json.dumps(
                {**spec.facts, "about": dict(about)}, ensure_ascii=False, default=_plain
            )
            self.description: dict[str, Any] = {
                "tfgan2_format": FORMAT_VERSION,
                **spec.describe(None),
                "latent": {"distribution": spec.latent_distribution, "dim": dim},
                "class_names": list(spec.class_names),
                # Through JSON, so that it equals what an earlier metadata.json holds. The name of a
                # dataset may have bytes that are not UTF-8, which become question marks.
                **json.loads(facts.encode(errors="replace")),
                "weights_sha256": graph.weights_sha256(spec),
                "versions": {name: _version(name) for name in ("tfgan2", *PACKAGES)},
            }

    def export(self, path: Path, model_format: str, precision: str) -> Artifact:
        """Writes a new file or folder and verifies it; an ExportError if either is impossible."""
        # Mobile GPUs need a fixed batch.
        batch = self.options.batch or (1 if model_format == "tflite" else None)
        own: dict[str, Any] = {**self.spec.describe(batch), "format": model_format}
        own |= {"precision": precision, "batch": batch}
        tolerance = UINT8_TOLERANCE if self.spec.uint8 else FLOAT32_TOLERANCE
        metadata = {**self.description, **own}
        with quiet():
            match model_format:
                case "saved_model":
                    saved_model.write(self.spec, path, metadata)
                case "onnx":
                    model = onnx_file.convert(self.spec, batch)
                    if precision == "float16":
                        model = onnx_file.float16(model)
                    path.write_bytes(seal(model, metadata, "onnx"))
                case "tflite":
                    model, more = self._tflite.make(precision, path)
                    metadata |= more
                    path.write_bytes(seal(model, metadata, "tflite"))
            opened, results = self._read_back(path)
            figures = compare(
                results, self._expected, path.name, tolerance if precision == "float32" else None
            )
            if not self.options.allow_lossy:
                check_quality(figures["psnr"], path.name, precision)
            frechet = self._fidelity.measure(opened)
            milliseconds = milliseconds_per_image(opened, self._cases[0])
        return Artifact(
            path=path,
            network=self.name,
            weights_sha256=self.description["weights_sha256"],
            sha256=sha256_of(path),
            float_layers=metadata.get("float_layers"),
            calibration=self.spec.calibration if precision in ("int8", "mixed") else None,
            bytes=size_of(path),
            frechet=frechet,
            milliseconds_per_image=milliseconds,
            **own,
            **figures,
        )

    def export_coreml(self, path: Path) -> str:
        """Writes a Core ML package and says how it was verified; errors as those of `export`."""
        with quiet():
            metadata = {**self.description, **self.spec.describe(1), "format": COREML, "batch": 1}
            half = "float16" in self.options.precisions
            coreml.write(self.spec, path, metadata, half, self.options.licence)
            return coreml.verify(self.spec, path, self._cases, self._expected)

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


def compare(
    outputs: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    name: str,
    tolerance: float | None,
) -> dict[str, Any]:
    """Returns how far a file's outputs are from those of Keras, as the fields of `Artifact`.

    One float32 array for each case. An ExportError if values are not finite, have another shape, or
    differ by more than the tolerance; None allows any difference.
    """
    noun = "images" if outputs[0].ndim == 4 else "values"
    if not all(np.isfinite(values).all() for values in outputs):
        raise ExportError(f"{name} was not kept: its {noun} are not finite")
    for values, reference in zip(outputs, references, strict=True):
        if values.shape != reference.shape:  # might still be subtracted from each other
            raise ExportError(
                f"{name} was not kept: its {noun} are of shape {values.shape}, those of Keras of "
                f"{reference.shape}"
            )
    values = np.concatenate([item.ravel() for item in outputs])
    expected = np.concatenate([item.ravel() for item in references])
    differences = np.abs(values.astype(np.float64) - expected)
    largest = float(differences.max())
    if tolerance is not None and largest > tolerance:
        raise ExportError(
            f"{name} was not kept: its {noun} differ from those of Keras by {largest:.2g}, "
            f"more than {tolerance:.0e}"
        )
    steps, shape = 0.0, outputs[0].shape
    if not graph.is_values(shape):
        steps = float(np.abs(to_uint8(values).astype(np.int16) - to_uint8(expected)).mean())
    return {
        "max_difference": largest,
        "mean_difference": float(differences.mean()),
        "picture_difference": steps,
        "psnr": graph.decibels(values, expected, shape),
    }


def check_quality(ratio: float, name: str, precision: str) -> None:
    """Raises an ExportError if a signal-to-noise ratio is below `LEAST_PSNR`."""
    if ratio < LEAST_PSNR:
        advice = "--precision mixed keeps the worst layers in float, " * (precision == "int8")
        raise ExportError(
            f"{name} was not kept: its images are {ratio:.1f} dB from those of Keras, less than "
            f"{LEAST_PSNR:g}: {advice}--allow-lossy keeps it as it is"
        )


def milliseconds_per_image(model: Model, inputs: Inputs) -> float:
    """Returns the median time for an image within about a second; a free batch times one image."""
    count = model.metadata["batch"] or 1
    feed = {name: np.resize(array, (count, *array.shape[1:])) for name, array in inputs.items()}
    call = partial(model.backend, feed)
    warm_up = timeit.repeat(call, number=1, repeat=3)
    calls = int(np.clip(1 / min(warm_up), 3, 30))
    return statistics.median(timeit.repeat(call, number=1, repeat=calls)) * 1000 / count


def default_count(spec: ExportSpec) -> int:
    """Returns the number of images to compare: fewer if they are larger than 64x64x3."""
    *edges, channels = spec.network.outputs[0].shape[1:]
    if spec.kind == "images":
        edges = [edge * spec.facts.get("scale", 1) for edge in spec.facts["size"]]
    most = MOST_IMAGES[spec.kind]
    return int(np.clip(most * 64 * 64 * 3 // int(np.prod([*edges, channels])), 16, most))


class Fidelity:
    """Compares files with Keras on the same inputs; `count` of None means `default_count`."""

    def __init__(self, spec: ExportSpec, count: int | None, seed: int) -> None:
        self._inputs = draw_inputs(spec, count or default_count(spec), seed, verify=True)
        output = graph.keras_model(spec)(self._inputs)
        self.features = VALUES if graph.is_values(output.shape) else RANDOM_CONVOLUTIONS
        self._reference = self._statistics(graph.expected(spec, output))

    def measure(self, model: Model | Callable[[Inputs], np.ndarray]) -> dict[str, Any]:
        """Returns the distance of a file's images, as the metadata has it."""
        output = model(self._inputs)
        distance = frechet_distance(*self._statistics(output), *self._reference)
        return {"distance": distance, "features": self.features, "images": len(output)}

    def _statistics(self, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.features == VALUES:
            return feature_statistics(output.reshape(len(output), -1))
        return feature_statistics(random_convolutions(output))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # tensorflow-cpu and the like
        return None


def _plain(value: Any) -> Any:
    """Converts what JSON does not know: NumPy's numbers to numbers, the rest to text."""
    return value.item() if isinstance(value, np.generic) else str(value)
