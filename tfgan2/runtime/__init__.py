"""An exported file becomes images again: NumPy and onnxruntime or LiteRT, no TensorFlow.

from tfgan2 import runtime

generator = runtime.load("generator.onnx")
images, latents, labels = generator.generate(16, seed=7)
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from tfgan2.errors import UserError
from tfgan2.runtime.backends import Backend, LiteRT, OnnxRuntime
from tfgan2.runtime.container import METADATA_FILE, SUFFIXES, unseal
from tfgan2.runtime.generator import Generator, TextEncoder
from tfgan2.runtime.translator import Translator

__all__ = ["Generator", "Translator", "load", "load_translator", "read_metadata"]

_BACKENDS: dict[str, type[OnnxRuntime] | type[LiteRT]] = {"onnx": OnnxRuntime, "tflite": LiteRT}


def load(path: str | Path, *, threads: int | None = None, spin: bool = True) -> Generator:
    """Loads an exported generator.

    Where a `metadata.json` beside the file lists it, its sha256 must be the one listed.

    Args:
        path: a `.onnx` or `.tflite` file that `tfgan2 export` wrote.
        threads: for the computation; default: all cores this process may use.
        spin: whether the threads of onnxruntime wait for work at full speed; False where others
            need the cores in between.

    Raises:
        UserError: there is no such file, it is of another kind, damaged or was changed, or the
            library that runs it is missing.
    """
    path = Path(path)
    backend, metadata = open_file(path, threads=threads, spin=spin)
    names = _input_names(path, metadata)
    if "z" not in names:
        use = "it turns images into images: `tfgan2 translate` uses it"
        if "words" in names:
            use = "it encodes texts: give the generator beside it"
        raise UserError(f"{path} makes no images of latents: {use}")
    try:
        encoder = None
        if "text" in names:
            encoder = _encoder_of(path, metadata, threads, spin)
        return Generator(backend, metadata, encoder)
    except (KeyError, TypeError, IndexError):
        raise UserError(f"{path} is damaged: its metadata is incomplete") from None


def _encoder_of(
    path: Path, metadata: dict[str, Any], threads: int | None, spin: bool
) -> TextEncoder:
    """What encodes the sentences of a generator, from the file beside it."""
    beside = path.with_name(path.name.replace("generator", "text_encoder", 1))
    if beside == path:
        raise UserError(
            f"{path} needs its text encoder beside it: call them as `tfgan2 export` did, "
            f"generator{path.suffix} and text_encoder{path.suffix}"
        )
    if not beside.exists():
        raise UserError(f"{path} needs {beside.name} beside it, which is missing")
    encoder = TextEncoder(*open_file(beside, threads=threads, spin=spin))
    wanted = next(item["shape"][1] for item in metadata["inputs"] if item["name"] == "text")
    if encoder.dim != wanted:
        raise UserError(
            f"{beside} is the encoder of another generator: it makes {encoder.dim} numbers of a "
            f"sentence, {path.name} takes {wanted}"
        )
    return encoder


def load_translator(
    path: str | Path, *, threads: int | None = None, spin: bool = True
) -> Translator:
    """Loads an exported network that makes images of images; the arguments are those of `load`.

    Raises:
        UserError: as `load`, or the file makes images of latents.
    """
    path = Path(path)
    backend, metadata = open_file(path, threads=threads, spin=spin)
    if "input" not in _input_names(path, metadata):
        raise UserError(f"{path} takes no images: `tfgan2 generate` uses it")
    try:
        return Translator(backend, metadata)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} is damaged: its metadata is incomplete") from None


def open_file(
    path: Path, *, threads: int | None = None, spin: bool = True
) -> tuple[Backend, dict[str, Any]]:
    """What runs a file, and its metadata; the arguments are those of `load`."""
    content, metadata = _read(path)
    if threads is not None and threads < 1:
        raise UserError(f"threads must be at least 1, not {threads}")
    backend = _BACKENDS[SUFFIXES[path.suffix.lower()]](
        path, content, threads or _cores(), spin=spin
    )
    return backend, metadata


def _input_names(path: Path, metadata: dict[str, Any]) -> list[str]:
    try:
        return [item["name"] for item in metadata["inputs"]]
    except (KeyError, TypeError):
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
