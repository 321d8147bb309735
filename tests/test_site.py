"""The pages of the site that are generated, and the links that leave the folder of the docs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import tfgan2
from tfgan2 import registry
from tfgan2.cli import COMMANDS

HERE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", HERE / "docs/site/hooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_lead_to_pages_and_files_of_the_site(hooks: ModuleType) -> None:
    def relinked(text: str, source: str, name: str) -> str:
        return hooks.relinked(text, source, name)

    assert relinked("[a](docs/fit.md#presets)", "README.md", "index.md") == "[a](fit.md#presets)"
    assert relinked("![a](docs/images/x.png)", "README.md", "index.md") == "![a](images/x.png)"
    assert relinked("[a](docs/notebooks/x.ipynb)", "README.md", "index.md") == (
        "[a](notebooks/x.md)"
    )
    assert relinked("[a](../README.md)", "docs/fit.md", "fit.md") == "[a](index.md)"
    assert relinked("[a](../../CHANGELOG.md)", "docs/results/x.md", "results/x.md") == (
        "[a](../changelog.md)"
    )
    assert relinked("[a](../benchmarks/x.py)", "docs/fit.md", "fit.md") == (
        "[a](files/benchmarks/x.py)"
    )
    for same in ("[a](https://x.org/y)", "[a](#here)", "[a](sample.md)"):
        assert relinked(same, "docs/fit.md", "fit.md") == same


def test_every_command_and_option_has_an_entry(hooks: ModuleType) -> None:
    text = hooks.commands()
    for name in COMMANDS:
        assert f"\n## `tfgan2 {name}`\n" in text
    entries = re.findall(r"^\* `(--[^`]*)`(.*)$", text, re.MULTILINE)
    assert len(entries) > 100
    assert not [flag for flag, sentence in entries if len(sentence) < 8]


def test_the_gallery_shows_every_result(hooks: ModuleType) -> None:
    text = hooks.gallery()
    images = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert len(images) >= 30
    assert all((HERE / "docs" / each).is_file() for each in images)
    # Each flavour has a section, or is named as one without a result.
    shown = set(re.findall(r"^## (.+)$", text, re.MULTILINE))
    (without,) = re.findall(r"^Not in this study: .*", text, re.MULTILINE) or [""]
    missing = set(re.findall(r"`([^`]+)`", without))
    assert shown | missing == set(registry.FLAVOURS) and not shown & missing


def test_every_public_name_has_an_entry() -> None:
    text = (HERE / "docs/api.md").read_text("utf-8")
    entries = set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    missing = {f"tfgan2.{name}" for name in tfgan2.__all__ if name != "__version__"} - entries
    assert not missing
