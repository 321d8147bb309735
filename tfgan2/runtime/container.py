"""Writes and reads the metadata in a model file.

Both formats keep the model's own bytes and append the metadata, which holds their length and
sha256, so a damaged file is found before a C++ parser reads it:

- `.tflite`: an appended zip with `metadata.json`. LiteRT reads the file as before, any zip tool
  opens it.
- `.onnx`: one more `metadata_props` entry, key `tfgan2`. The fields of a protobuf message may come
  in any order, so appending one is enough, and reading it needs no ONNX library.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfgan2.errors import UserError

FORMAT_VERSION = 1
SUFFIXES = {".onnx": "onnx", ".tflite": "tflite"}
METADATA_FILE = "metadata.json"
ONNX_KEY = "tfgan2"

_METADATA_PROPS = 14  # field numbers of onnx.ModelProto and onnx.StringStringEntryProto
_KEY, _VALUE = 1, 2
_LENGTH_DELIMITED = 2


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
        entry = _field(_KEY, ONNX_KEY.encode()) + _field(_VALUE, text)
        return model + _field(_METADATA_PROPS, entry)
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
    text = _onnx_metadata(path, content) if model_format == "onnx" else _zip_metadata(content)
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
    if not isinstance(size, int) or hashlib.sha256(content[:size]).hexdigest() != digest:
        raise UserError(
            f"{path} is damaged or was changed: the model in it is not the exported one"
        )
    return metadata


def _zip_metadata(content: bytes) -> bytes | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(METADATA_FILE)
    # Damaged headers raise any of these: RuntimeError for encryption or an unknown compression.
    except (zipfile.BadZipFile, struct.error, KeyError, ValueError, OSError, RuntimeError):
        return None


def _onnx_metadata(path: Path, content: bytes) -> bytes | None:
    try:
        for number, value in _fields(memoryview(content)):
            if number == _METADATA_PROPS:
                entry = dict(_fields(value))
                if entry.get(_KEY) == ONNX_KEY.encode() and _VALUE in entry:
                    return bytes(entry[_VALUE])
    except ValueError:
        raise UserError(f"{path} is not a complete ONNX file: it is truncated or damaged") from None
    return None


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, value: bytes) -> bytes:
    """Returns a length-delimited protobuf field."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(value)) + value


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields the length-delimited fields of a protobuf message as (number, value), not copied.

    Raises:
        ValueError: these are not the bytes of a complete message.
    """
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            if position >= len(content) or shift > 63:
                raise ValueError("truncated")
            byte = content[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while position < len(content):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            varint()
            continue
        if wire not in (1, 5, _LENGTH_DELIMITED):
            raise ValueError("no protobuf")
        size = varint() if wire == _LENGTH_DELIMITED else (8 if wire == 1 else 4)
        if position + size > len(content):
            raise ValueError("truncated")
        if wire == _LENGTH_DELIMITED:
            yield number, content[position : position + size]
        position += size
