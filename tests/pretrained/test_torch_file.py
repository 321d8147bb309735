"""Files of PyTorch, read without PyTorch."""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgan2.errors import UserError
from tfgan2.pretrained.torch_file import read_weights

MAGIC = 0x1950A86A20F9469CFC6C


class Storage:
    """Elements by their key; a tensor is a view of them."""

    def __init__(self, key: str, values: np.ndarray) -> None:
        self.key, self.values = key, values


class Tensor:
    """Pickled as PyTorch pickles a tensor."""

    def __init__(self, storage: Storage, offset: int, shape: Any, strides: Any) -> None:
        self.arguments = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class Code:
    """Pickled as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


class Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, Storage):
            return None
        name = {"float32": "FloatStorage", "int64": "LongStorage"}.get(value.values.dtype.name)
        kind = getattr(sys.modules["torch"], name or "DoubleStorage")
        return "storage", kind, value.key, "cpu", len(value.values), None


@pytest.fixture(autouse=True)
def torch() -> Iterator[None]:
    """Modules of PyTorch whose names pickles hold."""
    package, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "DoubleStorage"):
        setattr(package, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
    utils._rebuild_tensor_v2 = rebuild = lambda *arguments: None
    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    rebuild.__name__ = "_rebuild_tensor_v2"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", package)
        patch.setitem(sys.modules, "torch._utils", utils)
        yield


def written(path: Path, tensors: Any, storages: list[Storage], /, **changed: Any) -> Path:
    """Writes a file; `changed` has other parts: magic, version, machine, tensors or keys."""
    parts = {
        "magic": MAGIC,
        "version": 1001,
        "machine": {"protocol_version": 1001, "little_endian": True, "type_sizes": {}},
        "tensors": tensors,
        "keys": [each.key for each in storages],
    }
    buffer = io.BytesIO()
    for part in (parts | changed).values():
        Pickler(buffer, protocol=2).dump(part)
    for each in storages:
        buffer.write(len(each.values).to_bytes(8, "little") + each.values.tobytes())
    path.write_bytes(buffer.getvalue())
    return path


def test_tensors_are_views_of_storages(tmp_path: Path) -> None:
    values = Storage("7", np.arange(24, dtype=np.float32))
    count = Storage("8", np.array([5], np.int64))
    tensors = OrderedDict(
        whole=Tensor(values, 0, (2, 3, 4), (12, 4, 1)),
        part=Tensor(values, 6, (2, 2), (1, 3)),
        count=Tensor(count, 0, (), ()),
    )
    found = read_weights(written(tmp_path / "a.pth", tensors, [count, values]))
    assert list(found) == ["whole", "part", "count"]
    np.testing.assert_array_equal(found["whole"], np.arange(24).reshape(2, 3, 4))
    np.testing.assert_array_equal(found["part"], [[6, 9], [7, 10]])
    assert found["part"].dtype == np.float32 and found["count"].dtype == np.int64
    assert found["count"] == 5


@pytest.mark.parametrize("place", ["magic", "machine", "tensors", "a tensor", "a key", "keys"])
@pytest.mark.parametrize("function", [os.mkdir, eval, getattr], ids=lambda item: item.__name__)
def test_code_is_refused_and_not_run(place: str, function: Any, tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    arguments = {
        "mkdir": (str(marker),),
        "eval": (f"__import__('os').mkdir({str(marker)!r})",),
        "getattr": (os, "mkdir"),
    }
    if function is getattr:
        arguments["getattr"] = ("text", "upper")
    code: Any = Code(function, *arguments[function.__name__])
    values = Storage("0", np.zeros(1, np.float32))
    tensors: Any = OrderedDict(a=Tensor(values, 0, (1,), (1,)))
    changed = {place: code} if place in ("magic", "machine", "keys") else {}
    if place == "a tensor":
        tensors["b"] = Tensor(values, code, (1,), (1,))
    elif place == "a key":
        tensors[code] = 1
    elif place == "tensors":
        tensors = code
    path = written(tmp_path / "bad.pth", tensors, [values], **changed)
    name = {"mkdir": "posix.mkdir|nt.mkdir", "eval": "__builtin__.eval", "getattr": "getattr"}
    with pytest.raises(UserError, match=f"bad.pth' holds code .*({name[function.__name__]})"):
        read_weights(path)
    assert not marker.exists()


def test_changed_objects_are_refused(tmp_path: Path) -> None:
    """A pickle may set attributes of what it names; nothing that lasts may be named."""
    content = b"\x80\x02c" + b"torch._utils\n_rebuild_tensor_v2\n" + b"N}X\x08\x00\x00\x00__code__"
    path = tmp_path / "bad.pth"
    path.write_bytes(content + b"K\x01s\x86b.")
    with pytest.raises(UserError, match="damaged"):
        read_weights(path)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (5,), (1,)),
        (3, (2,), (1,)),
        (0, (3,), (2,)),
        (0, (2,), (-1,)),
        (-1, (2,), (1,)),
        (0, (2**40,), (0,)),
        (0, (-2,), (1,)),
        (0, (2, 2), (1,)),
        (0, ("a",), (1,)),
    ],
)
def test_no_tensor_reads_outside_of_its_storage(
    offset: int, shape: Any, strides: Any, tmp_path: Path
) -> None:
    values = Storage("0", np.zeros(4, np.float32))
    tensors = {"a": Tensor(values, offset, shape, strides)}
    with pytest.raises(UserError, match="is damaged or no file of PyTorch's weights"):
        read_weights(written(tmp_path / "bad.pth", tensors, [values]))


def test_damaged_and_other_files(tmp_path: Path) -> None:
    values = Storage("0", np.zeros(4, np.float32))
    tensors = {"a": Tensor(values, 0, (4,), (1,))}
    whole = written(tmp_path / "whole.pth", tensors, [values]).read_bytes()
    path = tmp_path / "bad.pth"
    for content in (b"", b"text", b"PK\x03\x04" + whole, whole[:100], whole[:-1], whole[7:]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"bad.pth' is damaged or .*install its package again"):
            read_weights(path)
    for changed in (
        {"magic": 1},
        {"version": 1002},
        {"machine": {"little_endian": False}},
        {"keys": ["1"]},
        {"tensors": [1]},
    ):
        with pytest.raises(UserError, match="is damaged or"):
            read_weights(written(path, tensors, [values], **changed))
    with pytest.raises(UserError, match=r"cannot read .*missing.pth': No such file"):
        read_weights(tmp_path / "missing.pth")
    doubles = Storage("0", np.zeros(4))
    with pytest.raises(UserError, match=r"holds code \(torch.DoubleStorage\)"):
        read_weights(written(path, {"a": Tensor(doubles, 0, (4,), (1,))}, [doubles]))
