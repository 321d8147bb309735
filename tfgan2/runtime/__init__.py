"""Turns an exported file into images: NumPy and onnxruntime or LiteRT, no TensorFlow.

from tfgan2 import runtime

images = runtime.load("generator.onnx").generate(16, seed=7)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tfgan2.errors import UserError
from tfgan2.runtime.backends import Model, open_backend
from tfgan2.runtime.container import read_sealed
from tfgan2.runtime.generator import Generator
from tfgan2.runtime.shipped import located
from tfgan2.runtime.translator import Translator


def load(
    path: str | Path, *, threads: int | None = None, spin: bool = True
) -> Generator | Translator:
    """Loads an exported network: a Generator, or a Translator if it takes images.

    If a `metadata.json` beside the file lists it, its sha256 must be the one listed.

    Args:
        path: a `.onnx` or `.tflite` file that `tfgan2 export` wrote, or `pretrained:digits`, which
            is inside this package.
        threads: for the computation; default: all cores this process may use.
        spin: whether idle threads of onnxruntime wait for work at full speed; False where others
            need the cores in between.

    Raises:
        UserError: no such file, one of another kind, a damaged or changed one, a text encoder, or
            the library that runs it is missing.
    """
    path = located(path)
    opened = partial(open_file, threads=threads, spin=spin)
    model = opened(path)
    try:
        shapes = {item["name"]: item["shape"] for item in model.metadata["inputs"]}
        if "z" in shapes:
            encoder = _load_encoder(path, shapes["text"][1], opened) if "text" in shapes else None
            return Generator(model, encoder)
        if "input" in shapes:
            return Translator(model)
    except UserError:
        raise
    except (KeyError, TypeError, IndexError, ValueError):
        raise UserError(f"{path} is damaged: its metadata is incomplete") from None
    raise UserError(f"{path} encodes texts: give the generator beside it")


def _load_encoder(path: Path, dim: int, opened: Callable[[Path], Model]) -> Model:
    """Loads the text encoder of a generator that takes `dim` numbers, from the file beside it."""
    beside = path.with_name(path.name.replace("generator", "text_encoder", 1))
    if beside == path:
        raise UserError(
            f"{path} needs its text encoder beside it: name them as `tfgan2 export` did, "
            f"generator{path.suffix} and text_encoder{path.suffix}"
        )
    if not beside.exists():
        raise UserError(f"{path} needs {beside.name} beside it, which is missing")
    encoder = opened(beside)
    made = encoder.metadata["outputs"][0]["shape"][1]
    if made != dim:
        raise UserError(
            f"{beside} belongs to another generator: it encodes a text as {made} numbers, "
            f"{path.name} takes {dim}"
        )
    return encoder


def open_file(path: str | Path, *, threads: int | None = None, spin: bool = True) -> Model:
    """Opens any file of an export; the arguments are those of `load`."""
    path = located(path)
    content, metadata = read_sealed(path)
    if threads is None:
        affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
        threads = len(affinity(0)) if affinity else os.cpu_count() or 1
    if threads < 1:
        raise UserError(f"threads must be at least 1, not {threads}")
    return Model(open_backend(path, content, threads, spin=spin), metadata)


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Returns the metadata of a file, without running it; the errors are those of `load`."""
    return read_sealed(located(path))[1]
