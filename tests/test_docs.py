"""The code in docs/python.md runs as it stands, but for the number of steps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
SHORTER = {
    "steps=2000": "steps=20",
    "steps=4000": "steps=24",
    'metrics=["fid"]': 'metrics=["fid"], count=64',
    "steps_per_epoch=100, epochs=10": "steps_per_epoch=3, epochs=1",
}


@pytest.mark.slow
def test_the_page_on_python_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    # tests/training/test_trackers.py tests the others where the packages are installed.
    code = "\n".join(block for block in blocks if not re.search("wandb|mlflow", block))
    for index in range(64):
        photo = tmp_path / "photos" / f"class {index % 2}" / f"{index}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (3 * index, 0, 90)).save(photo)
    for long, short in SHORTER.items():
        assert long in code
        code = code.replace(long, short)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "plain", "photos"}
    assert list((tmp_path / "plain" / "checkpoints").iterdir())
