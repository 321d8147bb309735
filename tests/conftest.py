"""Shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers import fit_small

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended. Tests must not change it."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert fit_small(out) == 0
    return out
