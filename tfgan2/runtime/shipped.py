"""The generators inside this package, by names such as `pretrained:digits`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from tfgan2.errors import UserError, unknown

PREFIX = "pretrained:"
FOLDER = Path(__file__).parents[1] / "shipped"


def names() -> list[str]:
    """Returns the names of the generators, without the prefix."""
    return sorted(path.parent.name for path in FOLDER.glob("*/metadata.json"))


def located(path: str | Path) -> Path:
    """Returns a path as it is, or that of the file which a `pretrained:NAME` stands for.

    It is the TFLite file, or the ONNX file where LiteRT is not installed; `pretrained:NAME.onnx`
    and `pretrained:NAME.tflite` name one of them.

    Raises:
        UserError: this package holds no generator of that name, or it is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise UserError(
            f"{path!r} is no path: give that of a .onnx or .tflite file, or pretrained:digits"
        )
    if not str(path).startswith(PREFIX):
        return Path(path)
    name = str(path).removeprefix(PREFIX)
    stem, dot, kind = name.partition(".")
    files = {file.suffix[1:]: file for file in (FOLDER / stem).glob("generator*.*")}
    if stem not in names() or (dot and kind not in files):
        raise unknown("pretrained generator", name, names())
    return files[kind or ("tflite" if find_spec("ai_edge_litert") else "onnx")]
