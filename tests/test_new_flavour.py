"""The package in docs/new_flavour.md, built, installed, and tested like every flavour."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with the package, installed in a temporary folder."""
    folder = tmp_path_factory.mktemp("package")
    page = (ROOT / "docs" / "new_flavour.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    project = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert code and project
    (folder / "tfgan2_ragan.py").write_text(code[1])
    (folder / "pyproject.toml").write_text(project[1])
    site = folder / "site"
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", site, folder], check=True
    )
    return {**os.environ, "PYTHONPATH": str(site)}


def tfgan2(words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    code = "import sys; from tfgan2 import cli; sys.exit(cli.run(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *words.split()],
        env=environment,
        capture_output=True,
        text=True,
    )


def test_is_listed_and_described(environment: dict[str, str]) -> None:
    flavours = tfgan2("models", environment).stdout
    assert "ragan" in flavours and "(tfgan2_ragan)" in flavours and "dcgan" in flavours
    info = tfgan2("info ragan", environment).stdout
    assert "1807.00734" in info and "r1_weight" in info and "augment" in info


@pytest.mark.slow
def test_trains_with_its_own_hyperparameter(environment: dict[str, str], tmp_path: Path) -> None:
    words = (
        "fit ragan --dataset digits --image-size 8 --steps 2 --batch-size 16 --log-every 1 "
        f"--no-xla --set base_channels=4 --set r1_weight=1 --out {tmp_path / 'run'}"
    )
    done = tfgan2(words, environment)
    assert done.returncode == 0, done.stderr
    assert "r1_penalty" in (tmp_path / "run" / "stats.jsonl").read_text()
    mistyped = tfgan2("fit ragan --dataset digits --set r1_wieght=1", environment)
    assert mistyped.returncode == 2 and "did you mean 'r1_weight'" in mistyped.stderr


@pytest.mark.slow
def test_keras_loads_it_in_another_process(environment: dict[str, str], tmp_path: Path) -> None:
    path = str(tmp_path / "model.keras")
    shape = "image_shape=(8, 8, 1), base_channels=4, r1_weight=1.0"
    for code in (
        f"import tfgan2; tfgan2.create('ragan', {shape}).save({path!r})",
        f"import tfgan2, keras; print(keras.models.load_model({path!r}).config.r1_weight)",
    ):
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1.0"]


@pytest.mark.slow
def test_meets_the_requirements_of_every_flavour(environment: dict[str, str]) -> None:
    words = ["-m", "pytest", "-p", "no:cacheprovider", "-k", "[ragan]"]
    done = subprocess.run(
        [sys.executable, *words, "tests/test_every_flavour.py"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b4 passed", done.stdout), done.stdout
