"""The user's cache folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfgan2.cache import cache_dir


def test_the_default_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFGAN2_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("TFGAN2_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "tfgan2"
