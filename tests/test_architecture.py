"""docs/architecture.md against the package: the tree, and who imports whom."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tfgan2"
PAGE = (PACKAGE.parent / "docs/architecture.md").read_text("utf-8")
OF_STEPS = {"distributed.accumulation", "distributed.microbatches", "distributed.replicas"}
SHARED = {"errors", "files", "images", "inputs"}
MAY_IMPORT = {
    "models": {"networks", "nn", "pretrained", "inputs", "images", "hyperparameters", "errors"}
    | {"keras_model", "export.spec", "registry", *OF_STEPS},
    "networks": {"nn", "images", "errors"},
    "nn": {"errors", *OF_STEPS},
    "metrics": set(),
    "runtime": SHARED,
    "web": {"runtime", *SHARED},
    "serve": {"runtime", "web", "options", *SHARED},
}


def imported(folder: str) -> set[str]:
    """The modules of other folders that a folder imports, without "tfgan2."."""
    found = set()
    for file in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {item.name for item in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {f"{node.module}.{item.name}" for item in node.names}
    ours = {name.removeprefix("tfgan2.") for name in found if name.startswith("tfgan2.")}
    return {name for name in ours if name.partition(".")[0] != folder}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_the_page_allows(folder: str) -> None:
    wrong = {
        name
        for name in imported(folder)
        if not any(f"{name}.".startswith(f"{other}.") for other in MAY_IMPORT[folder])
    }
    assert not wrong


def test_nobody_imports_the_command_line_and_training_no_evaluation() -> None:
    folders = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()]
    of_cli = [f for f in folders if any(f"{n}.".startswith("cli.") for n in imported(f))]
    assert of_cli == []
    assert not any(name.startswith(("evaluation", "api")) for name in imported("training"))


def test_the_tree_shows_all_folders_and_modules() -> None:
    tree = PAGE.split("```")[1]
    shown = set(re.findall(r"\w+(?:/|\.py)", tree)) - {"tfgan2/"}
    own = {p.name + "/" if p.is_dir() else p.name for p in PACKAGE.iterdir()}
    own -= {"__init__.py", "__main__.py", "__pycache__/", "py.typed"}
    assert own <= shown
