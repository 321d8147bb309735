"""Cached arrays: another key or a damaged file gives none."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tfgan2.errors import DataWarning
from tfgan2.evaluation.cache import CachedArrays
from tfgan2.evaluation.extractor import Extracted
from tfgan2.evaluation.reference import ReferenceCache, summarized
from tfgan2.evaluation.samples import Chunk

KEY = {"fingerprint": "0123", "count": 5, "protocol": {"weights": None, "resize": "none"}}
ARRAYS = {"features": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(2)}


def test_saved_arrays_are_loaded(tmp_path: Path) -> None:
    cached = CachedArrays(tmp_path / "new" / "folder", "reference", KEY)
    assert cached.load() is None
    cached.save(ARRAYS)
    loaded = CachedArrays(cached.path.parent, "reference", dict(reversed(KEY.items()))).load()
    assert loaded is not None and loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype
    assert list(cached.path.parent.iterdir()) == [cached.path]
    cached.save({"other": np.zeros(1)})
    assert list(cached.load() or ()) == ["other"]


@pytest.mark.parametrize("other", [{"count": 6}, {"protocol": {}}, {"more": 1}])
def test_another_key_has_other_arrays(tmp_path: Path, other: dict) -> None:
    cached = CachedArrays(tmp_path, "reference", KEY)
    cached.save(ARRAYS)
    another = CachedArrays(tmp_path, "reference", {**KEY, **other})
    assert another.load() is None
    assert CachedArrays(tmp_path, "classifier", KEY).load() is None
    # If two keys ever had the same hash, the key in the file would differ.
    cached.path.rename(another.path)
    assert another.load() is None


def test_damaged_files_give_nothing(tmp_path: Path) -> None:
    cached = CachedArrays(tmp_path, "reference", KEY)
    cached.save(ARRAYS)
    path = cached.path
    content = path.read_bytes()
    position = content.index(ARRAYS["features"].tobytes()) + 5
    flipped = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
    for damaged in (b"", b"no zip", content[:-30], content[: len(content) // 2], flipped):
        path.write_bytes(damaged)
        assert cached.load() is None
    path.write_bytes(content)
    assert cached.load() is not None


def test_a_folder_that_cannot_be_written_costs_no_results(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(DataWarning, match=r"cannot write to .*file.*: set TFGAN2_CACHE to"):
        CachedArrays(tmp_path / "file", "reference", KEY).save(ARRAYS)


def test_processes_that_start_together_compute_a_reference_once(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    passes = []

    def extracted() -> Iterator[tuple[Chunk, Extracted]]:
        passes.append(len(passes))
        if len(passes) == 1:  # a second process starts while the first computes
            with pytest.warns(DataWarning, match="waiting for another process .* same reference"):
                second.append(pool.submit(evaluated))
                with pytest.raises(TimeoutError):
                    second[0].result(timeout=0.3)
        yield Chunk(features), Extracted(features)

    def evaluated() -> np.ndarray:
        cache = ReferenceCache(tmp_path, KEY, None)
        return summarized(extracted, len(features), cache, None)[0]["mean"]

    second: list = []
    with ThreadPoolExecutor() as pool:
        first = evaluated()
        np.testing.assert_array_equal(second[0].result(timeout=10), first)
    assert passes == [0]


def test_a_lock_of_another_user_delays_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    cached = CachedArrays(tmp_path, "reference", KEY)
    with cached.locked():
        cached.save(ARRAYS)
    assert cached.load() is not None
