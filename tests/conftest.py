"""Shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Small enough for every test to train a few steps of it.
SMALL = "--set width=4 --set latent_dim=8 --batch-size 16 --seed 3 --no-xla"


def fit_small(out: Path, options: str = "", *, steps: int = 6) -> int:
    """`tfgan2 fit dcgan` on the embedded digits, in this process; returns the exit code."""
    from tfgan2 import cli

    every = "--log-every 2 --sample-every 4 --checkpoint-every 2"
    words = f"fit dcgan --dataset digits --steps {steps} {every} {SMALL} {options}"
    return cli.run([*words.split(), "--out", str(out)])


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended. Tests must not change it."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert fit_small(out) == 0
    return out
