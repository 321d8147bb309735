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
SUFFIXES = {".onnx": "onnx", ".tflite": "tflite"}
METADATA_FILE = "metadata.json"

# The beginning of the text in an entry: field 1 is the key, the tag of field 2 follows.
_ONNX_KEY = b"\x0a\x06tfgan2\x12"
_METADATA_PROPS = b"\x72"  # the tag of field 14 of onnx.ModelProto


def sha256_of(path: Path) -> str:
    """Returns the sha256 of a file, in hexadecimal.

    For a folder, that of the text that `sha256sum` prints for all its files, sorted by relative
    path.
    """
    if not path.is_dir():
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    files = sorted(item.relative_to(path).as_posix() for item in path.rglob("*") if item.is_file())
    lines = "".join(f"{sha256_of(path / name)}  {name}\n" for name in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def seal(model: bytes, metadata: Mapping[str, Any], model_format: str) -> bytes:
    """Appends metadata to a model, which stays valid; adds `model_bytes` and `model_sha256`.

    Args:
        model: the bytes of a model.
        metadata: JSON values.
        model_format: "tflite" or "onnx".
    """
    sealed = {
        **metadata,
        "model_bytes": len(model),
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    text = json.dumps(sealed, indent=1, ensure_ascii=False).encode()
    if model_format == "onnx":
        return model + _onnx_entry(text)
    buffer = io.BytesIO(model)
    with zipfile.ZipFile(buffer, "a") as archive:
        # With a fixed date the same model gives the same bytes.
        archive.writestr(zipfile.ZipInfo(METADATA_FILE), text)
    return buffer.getvalue()


def unseal(path: Path, content: bytes, model_format: str) -> dict[str, Any]:
    """Returns the metadata in a file with this content, after checking the model in it.

    Raises:
        UserError: the file is damaged, has no tfgan2 metadata or is of a newer version.
    """
    text = _onnx_text(content) if model_format == "onnx" else _zip_text(content)
    if text is None:
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
    return metadata


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
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
