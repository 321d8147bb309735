"""The peak memory of whole processes, of fewer images than the benchmark has by default."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "folder_memory.py"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images() -> None:
    words = "--counts 1000 6000 --steps 20"
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *words.split()], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("largest over smallest") == 3
