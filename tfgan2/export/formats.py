"""The table of file formats: how each is written and opened. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2 import runtime
from tfgan2.export import onnx_file, saved_model, tflite
from tfgan2.runtime.backends import Backend

if TYPE_CHECKING:
    from tfgan2.export.exporter import Exporter

PRECISIONS = ("float32", "float16", "dynamic", "int8", "mixed")
"""The precisions of TFLite; the other formats are float32."""


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        write: writes a network to a path together with its metadata, to which it may add.
        open: opens such a file for running.
        suffix: end of the file names.
        precisions: those that the format can have, a subset of PRECISIONS.
        batch: batch size by default; None leaves it free.
    """

    write: Callable[[Exporter, Path, dict[str, Any]], None]
    open: Callable[[Path], Backend]
    suffix: str
    precisions: tuple[str, ...] = PRECISIONS[:1]
    batch: int | None = None


def _open_file(path: Path) -> Backend:
    return runtime.open_file(path)[0]


# A batch of 1 is what mobile GPUs need.
FORMATS = {
    "saved_model": Format(saved_model.write, saved_model.open_folder, ".saved_model"),
    "tflite": Format(tflite.write, _open_file, ".tflite", precisions=PRECISIONS, batch=1),
    "onnx": Format(onnx_file.write, _open_file, ".onnx"),
}


def file_name(network: str, model_format: str, precision: str) -> str:
    """Returns the name of a network's file in the export folder."""
    if (network, model_format) == ("generator", "saved_model"):
        return "saved_model"
    middle = "" if precision == "float32" else f".{precision}"
    return f"{network}{middle}{FORMATS[model_format].suffix}"


def file_names(network: str) -> list[str]:
    """Returns every name that an export of a network may use, in the order of the tables."""
    return [
        file_name(network, name, precision)
        for name, model_format in FORMATS.items()
        for precision in model_format.precisions
    ]
