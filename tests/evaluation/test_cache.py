"""Cached arrays: another key or a damaged file gives none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tfgan2.errors import UserError
from tfgan2.evaluation.cache import ArrayCache, default_cache_dir

KEY = {"fingerprint": "0123", "count": 5, "protocol": {"weights": None, "resize": "none"}}
ARRAYS = {"features": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(2)}


def test_saved_arrays_are_loaded(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path / "new" / "folder")
    assert cache.load(KEY) is None
    cache.save(KEY, ARRAYS)
    loaded = cache.load(dict(reversed(KEY.items())))
    assert loaded is not None and loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype
    assert [path.name for path in cache.directory.iterdir()] == [cache.path(KEY).name]
    cache.save(KEY, {"other": np.zeros(1)})
    assert list(cache.load(KEY) or ()) == ["other"]


@pytest.mark.parametrize("other", [{"count": 6}, {"protocol": {}}, {"more": 1}])
def test_another_key_has_other_arrays(tmp_path: Path, other: dict) -> None:
    cache = ArrayCache(tmp_path)
    cache.save(KEY, ARRAYS)
    assert cache.load({**KEY, **other}) is None
    # If two keys ever had the same hash, the key in the file would differ.
    cache.path(KEY).rename(cache.path({**KEY, **other}))
    assert cache.load({**KEY, **other}) is None
    assert ArrayCache(tmp_path, "classifier").load(KEY) is None


def test_damaged_files_give_nothing(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    cache.save(KEY, ARRAYS)
    path = cache.path(KEY)
    content = path.read_bytes()
    position = content.index(ARRAYS["features"].tobytes()) + 5
    flipped = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
    for damaged in (b"", b"no zip", content[:-30], content[: len(content) // 2], flipped):
        path.write_bytes(damaged)
        assert cache.load(KEY) is None
    path.write_bytes(content)
    assert cache.load(KEY) is not None


def test_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*file"):
        ArrayCache(tmp_path / "file").save(KEY, ARRAYS)
    with pytest.raises(ValueError, match="cache_key"):
        ArrayCache(tmp_path).save(KEY, {"cache_key": np.zeros(1)})


def test_the_default_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFGAN2_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("TFGAN2_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / ".cache" / "tfgan2"
