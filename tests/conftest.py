"""Shared by all tests."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from helpers import fit_small

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# A process that makes one model after the other spends a sixth of its time looking through the
# graphs of all for what may go.
gc.set_threshold(100_000, 20, 20)
if "PYTEST_XDIST_WORKER" in os.environ:
    # One process for each core is at work already.
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(threads, "1")


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended. Tests must not change it."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert fit_small(out) == 0
    return out
