"""Arrays by key: what was made otherwise, or is damaged, is not taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tfgan2.errors import UserError
from tfgan2.evaluation import Cache, cache_folder

KEY = {"fingerprint": "0123", "count": 5, "protocol": {"weights": None, "resize": "none"}}
ARRAYS = {"features": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(2)}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new" / "folder")
    assert cache.load(KEY) is None
    cache.save(KEY, ARRAYS)
    loaded = cache.load(dict(reversed(KEY.items())))
    assert loaded is not None and loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype
    assert [path.name for path in cache.folder.iterdir()] == [cache.path(KEY).name]
    cache.save(KEY, {"other": np.zeros(1)})
    assert list(cache.load(KEY) or ()) == ["other"]


@pytest.mark.parametrize("other", [{"count": 6}, {"protocol": {}}, {"more": 1}])
def test_another_key_has_other_arrays(tmp_path: Path, other: dict) -> None:
    cache = Cache(tmp_path)
    cache.save(KEY, ARRAYS)
    assert cache.load({**KEY, **other}) is None
    # Should two keys ever have one hash, the key in the file tells them apart.
    cache.path(KEY).rename(cache.path({**KEY, **other}))
    assert cache.load({**KEY, **other}) is None
    assert Cache(tmp_path, "classifier").load(KEY) is None


def test_damage_is_found(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.save(KEY, ARRAYS)
    path = cache.path(KEY)
    content = path.read_bytes()
    place = content.index(ARRAYS["features"].tobytes()) + 5
    flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    for damaged in (b"", b"no zip", content[:-30], content[: len(content) // 2], flipped):
        path.write_bytes(damaged)
        assert cache.load(KEY) is None
    path.write_bytes(content)
    assert cache.load(KEY) is not None


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*file"):
        Cache(tmp_path / "file").save(KEY, ARRAYS)
    with pytest.raises(ValueError, match="cache_key"):
        Cache(tmp_path).save(KEY, {"cache_key": np.zeros(1)})


def test_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFGAN2_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("TFGAN2_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "tfgan2"
