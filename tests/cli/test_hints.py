"""Messages advise only commands and options that there are, where they can be given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from PIL import Image

import tfgan2
from tfgan2 import cli
from tfgan2.errors import UserError

PACKAGE = Path(tfgan2.__file__).parent
COMMANDS = typer.main.get_command(cli.make_app([])).commands
OPTIONS = {
    name: {flag for item in command.params for flag in (*item.opts, *item.secondary_opts)}
    for name, command in COMMANDS.items()
}

# In which commands texts can appear that name options, by the file or the folder they stand in. A
# text that other commands show, too, puts its options into the second argument of UserError.
SHOWN_BY = {
    "report/watching.py": ["watch"],
    **{f"cli/{name}.py": [name] for name in COMMANDS},
    "api/translating.py": ["translate"],
    "cli/__init__.py": [],
    "cli/launch.py": ["fit"],  # of the command that it starts
    "cli/options.py": ["sample", "generate"],
    "cli/presets.py": ["info"],
    "command.py": ["fit"],
    "options.py": ["fit"],
    "registry.py": ["fit", "info"],
    "models/": ["fit", "info"],
    "networks/": ["fit", "info"],
    "distributed/": ["fit"],
    "training/": ["fit"],
    "data/__init__.py": ["fit", "evaluate"],
    "data/dataset.py": ["fit"],
    "data/description.py": ["fit", "prepare"],
    "data/folders/pairs.py": ["fit"],
    "data/pipeline.py": ["fit"],
    "data/hub.py": ["fit", "evaluate"],
    "data/prepared.py": ["prepare"],
    "evaluation/": ["evaluate"],
    "export/hub.py": ["pull"],
    "images/": ["sample", "generate"],
    "export/": ["export"],
    "serve/": ["serve"],
}
OTHER_PROGRAMS = re.compile(r"(saved_model_cli|python -[mc]) [^`\n]*")
COMMAND = re.compile(r"(?:`|^|\n)\s*tfgan2 ([a-z]+)([^`\n]*)")
FLAG = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*")
GENERAL = {"--help", "--version", "--debug"}


def texts(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yields line, text and whether the text is left out where its options do not exist."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    conditional: set[int] = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if getattr(call.func, "id", "") == "UserError":
            conditional |= {id(part) for item in call.args[1:] for part in ast.walk(item)}
        if getattr(call.func, "id", "") == "one_line":
            conditional |= {id(part) for item in call.keywords for part in ast.walk(item)}
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
        if isinstance(part, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(parts), id(node) in conditional
        elif isinstance(getattr(node, "value", None), str) and id(node) not in docstrings | inner:
            yield node.lineno, node.value, id(node) in conditional


def problems(name: str, source: str) -> Iterator[str]:
    """Yields what is wrong with the hints in a file of the package."""
    for line, text, conditional in texts(ast.parse(source)):
        where, text = f"{name}:{line}", OTHER_PROGRAMS.sub("", text)
        for command, rest in COMMAND.findall(text):
            if command not in COMMANDS:
                yield f"{where}: there is no command {command!r}"
            for flag in FLAG.findall(rest):
                if flag not in OPTIONS.get(command, ()):
                    yield f"{where}: {command} has no {flag}"
        for flag in set(FLAG.findall(COMMAND.sub("", text))) - GENERAL:
            commands = next(
                (SHOWN_BY[key] for key in (name, f"{name.partition('/')[0]}/") if key in SHOWN_BY),
                None,
            )
            if conditional:
                if not any(flag in options for options in OPTIONS.values()):
                    yield f"{where}: no command has {flag}"
            elif commands is None:
                yield f"{where} names {flag}: say in SHOWN_BY which commands show it"
            else:
                lacking = [command for command in commands if flag not in OPTIONS[command]]
                yield from (f"{where}: {command} has no {flag}" for command in lacking)


def test_hints_name_options_that_there_are() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    found = [
        problem
        for file in files
        for problem in problems(file.relative_to(PACKAGE).as_posix(), file.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "source", "problem"),
    [
        ("data/x.py", 'UserError("wrong: give --split")', "say in SHOWN_BY"),
        ("models/x.py", 'UserError(f"{n} is wrong: give --seed")', "info has no --seed"),
        ("data/x.py", 'UserError("wrong", ": give --splits")', "no command has --splits"),
        ("data/x.py", 'say("see `tfgan2 fitt`")', "no command 'fitt'"),
        ("data/x.py", 'say("next:\\n  tfgan2 sample RUN --frame 3")', "sample has no --frame"),
    ],
)
def test_wrong_hints_are_found(name: str, source: str, problem: str) -> None:
    (found,) = problems(name, source)
    assert problem in found


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "broken.png").touch()


def test_options_are_left_out_where_a_command_lacks_them(
    broken: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["fit", "dcgan", "--dataset", "folder:."]) == 2
    assert "remove it, or give --skip-unreadable to leave such" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--split", "--no-deterministic"])
@pytest.mark.parametrize(("command", "advised"), [("fit", True), ("export", False)])
def test_advice(
    command: str,
    advised: bool,
    flag: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise UserError("it is wrong: mend it", f", or give {flag} fit")

    monkeypatch.setattr(typer.core.TyperGroup, "invoke", fail)
    assert cli.run([command, "fit"]) == 2
    expected = "error: it is wrong: mend it" + (f", or give {flag} fit" if advised else "")
    assert capsys.readouterr().err == f"{expected}\n"
    assert str(UserError("a", "b")) == "ab"
