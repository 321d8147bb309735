"""Reads weights from a file of PyTorch, without PyTorch, and runs no code that is in it.

The format is that of PyTorch before 1.6: four pickles, of a magic number, a version, facts about
the machine, and a dictionary of tensors; the pickled keys of their storages; then each storage, the
number of its elements as int64 before them.

A pickle can call any function that it names. Here it may name only those below, which make tensors
and dictionaries; anything else is an error.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tfgan2.errors import UserError

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Tensor(NamedTuple):
    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a file by name, float32 or int64.

    Raises:
        UserError: the file cannot be read, is damaged or of another format, or holds code.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except UserError as error:
        raise UserError(f"'{path}' {error}") from error
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror or error}") from error
    except Exception as error:  # a damaged pickle raises nearly any type
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"'{path}' is damaged or no file of PyTorch's weights ({reason}): install its package "
            "again"
        ) from error


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    dtypes: dict[str, str] = {}
    if (_load(file, {}), _load(file, {})) != (_MAGIC, _VERSION):
        raise ValueError("it does not begin as one")
    if not _load(file, {})["little_endian"]:
        raise ValueError("its numbers are big endian")
    tensors = _load(file, dtypes)
    storages = {str(key): _storage(file, dtypes[str(key)]) for key in _load(file, {})}
    return {str(name): _array(tensor, storages) for name, tensor in tensors.items()}


def _load(file: BinaryIO, dtypes: dict[str, str]) -> Any:
    return _Unpickler(file, dtypes).load()


class _Unpickler(pickle.Unpickler):
    """Makes `_Tensor`s, and notes the element type of their storages by key."""

    def __init__(self, file: BinaryIO, dtypes: dict[str, str]) -> None:
        super().__init__(file, encoding="utf-8")
        self._dtypes = dtypes

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise UserError(
            f"holds code ({module}.{name}) beside weights, which was not run: install its package "
            "again"
        )

    def persistent_load(self, identifier: Any) -> str:
        _, dtype, key, *_ = identifier
        self._dtypes[str(key)] = str(dtype)
        return str(key)


def _tensor(storage: str, offset: int, shape: Any, strides: Any, *others: Any) -> _Tensor:
    return _Tensor(str(storage), int(offset), tuple(shape), tuple(strides))


def _storage(file: BinaryIO, dtype: str) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little")
    size = count * np.dtype(dtype).itemsize
    content = file.read(size)
    if len(content) != size:
        raise ValueError("it ends early")
    return np.frombuffer(content, dtype)


def _array(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    values, shape, strides = storages[tensor.storage], tensor.shape, tensor.strides
    last = tensor.offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    # Within the storage: NumPy checks no strides.
    inside = min(tensor.offset, *shape, *strides, 0) == 0 and last < len(values)
    if not inside or math.prod(shape) > len(values):
        raise ValueError("a tensor lies outside of its storage")
    size = values.itemsize
    view = np.lib.stride_tricks.as_strided(
        values[tensor.offset :], shape, [stride * size for stride in strides]
    )
    return np.ascontiguousarray(view)
