"""The image of the Dockerfile: what it installs is enough to serve, and is no TensorFlow."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement

HERE = Path(__file__).parents[2]

SERVE = """
import json, sys

refused = set(json.loads(sys.argv[1]))

class Installed:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in refused:
            return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Installed, sys.meta_path)
from tfgan2 import cli
sys.exit(cli.run(sys.argv[2:]))
"""


def requirements() -> list[Requirement]:
    lines = (HERE / "serve-requirements.txt").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(wanted: list[Requirement]) -> set[str]:
    """Returns the names of packages that pip installs for these."""
    found: set[str] = set()
    while wanted:
        item = wanted.pop()
        name = normal(item.name)
        if name not in found and (item.marker is None or item.marker.evaluate({"extra": ""})):
            found.add(name)
            wanted += map(Requirement, distribution(name).requires or ())
    return found


def test_the_bounds_are_those_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: dict[str, Any] = {}
    tools = ModuleType("setuptools")
    vars(tools).update(setup=passed.update, find_packages=lambda **_: [])
    monkeypatch.setitem(sys.modules, "setuptools", tools)
    runpy.run_path(str(HERE / "setup.py"))
    known = {*passed["install_requires"], *passed["extras_require"]["serve"]}
    assert set(map(str, requirements())) <= set(map(str, map(Requirement, known)))


@pytest.mark.slow
def test_they_are_enough_to_serve(tmp_path: Path) -> None:
    allowed = {"tfgan2", *installed(requirements())}
    assert not {"tensorflow", "keras", "scikit-learn", "matplotlib"} & allowed
    refused = [
        module
        for module, owners in packages_distributions().items()
        if not allowed & set(map(normal, owners)) and module not in sys.stdlib_module_names
    ]
    assert {"tensorflow", "keras", "onnx", "ai_edge_litert"} <= set(refused)
    (line,) = re.findall(r"^ENTRYPOINT (.*)$", (HERE / "Dockerfile").read_text("utf-8"), re.M)
    words = [*json.loads(line)[1:], "pretrained:digits", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, json.dumps(refused), *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r" at http://0\.0\.0\.0:(\d+)/ ", process.stdout.readline())
        assert found
        url = f"http://127.0.0.1:{found[1]}"
        image = httpx.get(f"{url}/generate.png?label=7", timeout=60)
        assert image.content.startswith(b"\x89PNG") and image.status_code == 200
        for path in ("/", "/readyz", "/metadata", "/metrics", "/openapi.json"):
            assert httpx.get(url + path, follow_redirects=True, timeout=60).status_code == 200
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


def test_the_dockerfile_runs_no_shell_and_not_as_root() -> None:
    text = (HERE / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    for line in re.findall(r"^(?:RUN|ENTRYPOINT|HEALTHCHECK.*CMD|CMD) +(.*)$", text, re.M):
        assert all(isinstance(word, str) for word in json.loads(line))
    final = text[text.rindex("\nFROM ") :]
    user = re.search(r"^USER (\d+):(\d+)$", final, re.M)
    assert user and "0" not in user.groups()
    # What it copies is not ignored.
    kept = (HERE / ".dockerignore").read_text("utf-8").splitlines()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M)
    assert {f"!{name}" for line in copied for name in line.split()} <= set(kept)
