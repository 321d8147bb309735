"""The version, its changelog and its citation agree, and the README stands alone."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import tfgan2

HERE = Path(__file__).parents[1]


def test_the_version_has_a_changelog_and_a_citation() -> None:
    changelog = (HERE / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## (\d\S*) - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    citation = yaml.safe_load((HERE / "CITATION.cff").read_text("utf-8"))
    assert newest and newest.groups() == (tfgan2.__version__, str(citation["date-released"]))
    assert citation["version"] == tfgan2.__version__
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.fixture
def packaging(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py defines, and as `metadata` what it passes on."""
    passed: dict[str, Any] = {}
    tools = ModuleType("setuptools")
    vars(tools).update(setup=passed.update, find_packages=lambda **_: [])
    monkeypatch.setitem(sys.modules, "setuptools", tools)
    return {**runpy.run_path(str(HERE / "setup.py")), "metadata": passed}


def test_the_readme_has_no_links_into_the_repository(packaging: dict[str, Any]) -> None:
    text = packaging["metadata"]["long_description"]
    targets = re.findall(r"\]\(([^)]*)\)", text)
    assert all(re.match("https://|#", each) for each in targets), targets
    assert len(text) > 5000


def test_links_lead_to_the_files_of_this_version(packaging: dict[str, Any]) -> None:
    standalone = packaging["standalone"]
    standalone.__globals__["REPOSITORY"] = "https://example.org/x"
    base, version = "https://example.org/x", packaging["VERSION"]
    assert standalone("![a](docs/images/a.png)\n\n*b*\n\n[c](docs/fit.md#d) [e](https://f)") == (
        f"![a]({base}/raw/v{version}/docs/images/a.png)\n\n*b*\n\n"
        f"[c]({base}/blob/v{version}/docs/fit.md#d) [e](https://f)"
    )
