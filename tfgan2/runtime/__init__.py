"""An exported file becomes images again: NumPy and onnxruntime or LiteRT, no TensorFlow.

from tfgan2 import runtime

generator = runtime.load("generator.onnx")
images, latents, labels = generator.generate(16, seed=7)
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.labels import choose_labels
from tfgan2.latents import draw_latents
from tfgan2.runtime.backends import Backend, LiteRT, OnnxRuntime
from tfgan2.runtime.container import METADATA_FILE, SUFFIXES, unseal

__all__ = ["Generator", "load", "read_metadata"]

# How many images a model with a free batch size makes at once: enough to use all threads, few
# enough that large images fit into memory.
CHUNK = 32

_BACKENDS: dict[str, type[OnnxRuntime] | type[LiteRT]] = {"onnx": OnnxRuntime, "tflite": LiteRT}


class Generator:
    """A generator in an exported file. `load` makes it.

    Attributes:
        metadata: what the file says of itself; docs/export.md lists the fields.
        latent_dim: the length of a latent.
        latent_distribution: what the latents were drawn from in training, "normal" or "uniform".
        class_names: the names of the labels 0, 1, …; empty for an unconditional generator.
        conditional: whether it takes labels.
        image_shape: (height, width, channels).
        batch: how many images the model makes at once, None where that is free.
    """

    def __init__(self, backend: Backend, metadata: dict[str, Any]) -> None:
        self.metadata = metadata
        self.latent_dim: int = metadata["latent"]["dim"]
        self.latent_distribution: str = metadata["latent"]["distribution"]
        self.class_names: tuple[str, ...] = tuple(metadata["class_names"])
        self.conditional = any(item["name"] == "label" for item in metadata["inputs"])
        output = metadata["outputs"][0]
        self.image_shape: tuple[int, ...] = tuple(output["shape"][1:])
        self.batch: int | None = metadata["batch"]
        self._output: str = output["name"]
        self._backend = backend

    def __call__(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Makes images.

        Args:
            latents: shape (N, latent_dim), any N.
            labels: whole numbers, shape (N,); needed by a conditional generator, None for others.

        Returns:
            float32, shape (N, H, W, C), in [-1, 1].

        Raises:
            UserError: a wrong shape, a latent that is no finite number, or a wrong label.
        """
        latents = self._checked_latents(latents)
        inputs = {"z": latents}
        labels = self._checked_labels(labels, len(latents))
        if labels is not None:
            inputs["label"] = labels
        images = np.empty((len(latents), *self.image_shape), np.float32)
        size = self.batch or CHUNK
        for start in range(0, len(latents), size):
            chunk = {name: array[start : start + size] for name, array in inputs.items()}
            count = len(chunk["z"])
            if self.batch and count < self.batch:
                chunk = {name: np.resize(a, (size, *a.shape[1:])) for name, a in chunk.items()}
            images[start : start + count] = self._backend(chunk)[self._output][:count]
        return images

    def generate(
        self,
        count: int,
        *,
        seed: int = 0,
        label: str | int | Sequence[str | int] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Draws latents and makes images of them.

        Args:
            count: how many, at least 1.
            seed: of the latents; the same seed gives the same latents for every format.
            label: a class by name or number, or several to cycle through; default: all.

        Returns:
            The images as `__call__` gives them, the latents of shape (count, latent_dim), and the
            labels of shape (count,), or None for an unconditional generator.

        Raises:
            UserError: a count or seed that is not possible, or an unknown label.
        """
        if count < 1:
            raise UserError(f"count must be at least 1, not {count}")
        if seed < 0:
            raise UserError(f"seed must be 0 or more, not {seed}")
        labels = self.labels(count, label)
        latents = draw_latents(
            count, self.latent_dim, seed=seed, distribution=self.latent_distribution
        )
        return self(latents, labels), latents, labels

    def labels(
        self, count: int, label: str | int | Sequence[str | int] | None = None
    ) -> np.ndarray | None:
        """Labels for `count` images: `label`, or each of several in turn, or all classes in turn.

        Returns:
            int32, shape (count,), or None for an unconditional generator.

        Raises:
            UserError: an unknown label, or one for an unconditional generator.
        """
        return choose_labels(count, label, self.class_names if self.conditional else ())

    def _checked_latents(self, latents: np.ndarray) -> np.ndarray:
        latents = np.asarray(latents)
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise UserError(
                f"latents must have the shape (count, {self.latent_dim}), not {latents.shape}"
            )
        if latents.dtype.kind not in "fiu" or not np.isfinite(latents).all():
            raise UserError("latents must be finite real numbers")
        return np.ascontiguousarray(latents, np.float32)

    def _checked_labels(self, labels: np.ndarray | None, count: int) -> np.ndarray | None:
        if not self.conditional:
            if labels is not None:
                raise UserError("this generator takes no labels: it is unconditional")
            return None
        classes = len(self.class_names)
        if labels is None:
            raise UserError(f"this generator needs labels, whole numbers from 0 to {classes - 1}")
        labels = np.asarray(labels)
        if labels.shape != (count,):
            raise UserError(f"labels must have the shape ({count},), not {labels.shape}")
        # The embedding of a label out of range is whatever lies behind the table: no library
        # reports it.
        if labels.size and (labels.dtype.kind not in "iu" or labels.min() < 0):
            raise UserError(f"labels must be whole numbers from 0 to {classes - 1}")
        if labels.size and labels.max() >= classes:
            raise UserError(
                f"label {labels.max()} is out of range: this generator has {classes} classes, "
                f"0 to {classes - 1}"
            )
        return np.ascontiguousarray(labels, np.int32)


def load(path: str | Path, *, threads: int | None = None) -> Generator:
    """Loads an exported generator.

    Where a `metadata.json` beside the file lists it, its sha256 must be the one listed.

    Args:
        path: a `.onnx` or `.tflite` file that `tfgan2 export` wrote.
        threads: for the computation; default: all cores this process may use.

    Raises:
        UserError: there is no such file, it is of another kind, damaged or was changed, or the
            library that runs it is missing.
    """
    if threads is not None and threads < 1:
        raise UserError(f"threads must be at least 1, not {threads}")
    path = Path(path)
    content, metadata = _read(path)
    backend = _BACKENDS[SUFFIXES[path.suffix.lower()]](path, content, threads or _cores())
    try:
        return Generator(backend, metadata)
    except (KeyError, TypeError, IndexError):
        raise UserError(f"{path} is damaged: its metadata is incomplete") from None


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What an exported file says of itself; runs no model.

    Args:
        path: a `.onnx` or `.tflite` file that `tfgan2 export` wrote.

    Raises:
        UserError: as `load`.
    """
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[bytes, dict[str, Any]]:
    if path.is_dir():
        raise UserError(f"{path} is a folder: this needs a .onnx or .tflite file")
    if not path.exists():
        raise UserError(f"{path} does not exist")
    model_format = SUFFIXES.get(path.suffix.lower())
    if model_format is None:
        raise UserError(f"{path.name} is of an unknown kind: this needs a .onnx or .tflite file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    listed = _listed_sha256(path)
    if listed is not None and listed != hashlib.sha256(content).hexdigest():
        raise UserError(
            f"file is damaged or was changed: {path} has not the sha256 that "
            f"{METADATA_FILE} beside it lists"
        )
    return content, unseal(path, content, model_format)


def _listed_sha256(path: Path) -> str | None:
    """What the metadata.json beside a file says, None where it is silent or no tfgan2 file."""
    try:
        metadata = json.loads((path.parent / METADATA_FILE).read_text(encoding="utf-8"))
        return {item["file"]: item["sha256"] for item in metadata["artefacts"]}.get(path.name)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
