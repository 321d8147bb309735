"""Writes and reads the metadata in a model file.

Both formats keep the model's own bytes and append the metadata, which holds their length and
sha256, so a damaged file is found before a C++ parser reads it:

- `.tflite`: an appended zip with `metadata.json`. LiteRT reads the file as before, any zip tool
  opens it.
- `.onnx`: one more `metadata_props` entry, key `tfgan2`. The fields of a protobuf message may come
  in any order, so appending one is enough, and it is read from the end without an ONNX library.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgan2.errors import UserError

FORMAT_VERSION = 1
METADATA_FILE = "metadata.json"

# Format -> its name, and bytes that every file of it has, at this position.
_FORMATS = {"onnx": ("an ONNX", b"\x08", 0), "tflite": ("a TFLite", b"TFL3", 4)}

# The beginning of the text in an entry: field 1 is the key, the tag of field 2 follows.
_ONNX_KEY = b"\x0a\x06tfgan2\x12"
_METADATA_PROPS = b"\x72"  # the tag of field 14 of onnx.ModelProto


def sha256_of(path: Path) -> str:
    """Returns the sha256 of a file, in hexadecimal.

    For a folder, that of the text that `sha256sum` prints for all its files, sorted by relative
    path.
    """
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted(item.relative_to(path).as_posix() for item in path.rglob("*") if item.is_file())
    lines = "".join(f"{sha256_of(path / name)}  {name}\n" for name in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def seal(model: bytes, metadata: Mapping[str, Any], model_format: str) -> bytes:
    """Appends metadata, JSON values, to a model of the format "tflite" or "onnx".

    The model stays valid. `model_bytes` and `model_sha256` are added to the metadata.
    """
    digest = hashlib.sha256(model).hexdigest()
    sealed = {**metadata, "model_bytes": len(model), "model_sha256": digest}
    text = json.dumps(sealed, indent=1, ensure_ascii=False).encode()
    if model_format == "onnx":
        return model + _onnx_entry(text)
    buffer = io.BytesIO(model)
    with zipfile.ZipFile(buffer, "a") as archive:
        # With a fixed date the same model gives the same bytes.
        archive.writestr(zipfile.ZipInfo(METADATA_FILE), text)
    return buffer.getvalue()


def read_sealed(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Returns the content of a file that `seal` made and its metadata, after checking both.

    A UserError if there is no such file, or it is of another kind, damaged, changed or too new.
    """
    model_format = path.suffix.lower().removeprefix(".")
    if path.is_dir():
        raise UserError(f"{path} is a folder: this needs a .onnx or .tflite file")
    if not path.exists():
        raise UserError(f"{path} does not exist")
    if model_format not in _FORMATS:
        raise UserError(f"{path.name} is of an unknown kind: this needs a .onnx or .tflite file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if _listed_sha256(path) not in (None, hashlib.sha256(content).hexdigest()):
        raise UserError(
            f"file is damaged or was changed: the sha256 of {path} is not the one that "
            f"{METADATA_FILE} beside it lists"
        )
    text = _onnx_text(content) if model_format == "onnx" else _zip_text(content)
    if text is None:
        kind, start, position = _FORMATS[model_format]
        if not content.startswith(start, position):
            raise UserError(f"{path} is not {kind} file")
        raise UserError(
            f"{path} has no tfgan2 metadata: `tfgan2 export` did not make it, or its end is missing"
        )
    try:
        metadata = json.loads(text)
        version, size, digest = (
            metadata[key] for key in ("tfgan2_format", "model_bytes", "model_sha256")
        )
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged: its metadata cannot be read") from None
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path} has metadata of format {version}, this tfgan2 reads {FORMAT_VERSION}: "
            "use the tfgan2 that exported it, or export again"
        )
    if (
        not isinstance(size, int)
        or hashlib.sha256(content[:size]).hexdigest() != digest
        or (model_format == "onnx" and content[size:] != _onnx_entry(text))
    ):
        raise UserError(
            f"{path} is damaged or was changed: the model in it is not the exported one"
        )
    return content, metadata


def _listed_sha256(path: Path) -> str | None:
    """Returns the sha256 in the metadata.json beside a file; None if that lists no such file."""
    try:
        metadata = json.loads((path.parent / METADATA_FILE).read_text(encoding="utf-8"))
        return {item["file"]: item["sha256"] for item in metadata["artefacts"]}.get(path.name)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _zip_text(content: bytes) -> bytes | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(METADATA_FILE)
    # Damaged headers raise any of these: RuntimeError for encryption or an unknown compression.
    except (zipfile.BadZipFile, struct.error, KeyError, ValueError, OSError, RuntimeError):
        return None


def _onnx_entry(text: bytes) -> bytes:
    entry = _ONNX_KEY + _varint(len(text)) + text
    return _METADATA_PROPS + _varint(len(entry)) + entry


def _onnx_text(content: bytes) -> bytes | None:
    # JSON has no raw control characters other than newlines: the last match is the entry's.
    start = content.rfind(_ONNX_KEY)
    return None if start < 0 else content[content.find(b"{\n", start) :]


def _varint(value: int) -> bytes:
    """Encodes a number as protobuf does: seven bits per byte, the lowest first."""
    if value > 0x7F:
        return bytes([value & 0x7F | 0x80]) + _varint(value >> 7)
    return bytes([value])
