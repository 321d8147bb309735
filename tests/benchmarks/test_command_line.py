"""Bad input ends a benchmark in one line, before anything is written."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("bitwise", "--work work --out out --only foo", "--only: unknown 'foo': give some of gan,"),
        ("bitwise", "--work work --out out --compare nope", "cannot use 'nope': No such file"),
        ("costs_table", "foo --out out", "unknown flavour 'foo'"),
        ("digits_quality", "nope.npz", "cannot use 'nope.npz': No such file"),
        ("export_table", "nope --out out", "no such run directory: nope"),
        ("folder_memory", "--images nope", "no such folder: nope"),
        ("gpu", "--rows a", "--rows: give A:B, two numbers, not 'a'"),
        ("odd_files", "--folder nope", "no files in nope: unpack them first"),
        ("points", "--rows foo", "--rows: unknown 'foo': give some of gan|gan, packing 2|"),
        ("profile_fit", "", "the following arguments are required: run"),
        ("ship", "nope digits --license cc0-1.0", "no such run directory: nope"),
        ("study", "--seeds a --faces DIR", "--seeds: give numbers such as 1,2, not 'a'"),
        ("train_speed", "--flavours gan", "unknown 'gan': give some of dcgan,wgan-gp"),
        ("translation", "cyclegan", "cyclegan needs --data DIR"),
        ("ways_to_train", "--flavours foo", "--flavours: unknown 'foo': give some of gan,"),
        ("ways_to_train", "--ways foo", "--ways: unknown 'foo': give some of float32,"),
    ],
)
def test_bad_input_ends_in_one_line(
    name: str,
    words: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [f"{name}.py", *words.split()])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(name).main()
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "error: " in last and message in last
    assert not list(tmp_path.iterdir())


def test_a_failed_command_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    export_table = importlib.import_module("export_table")
    with (
        pytest.raises(SystemExit) as ended,
        importlib.import_module("command_line").errors_in_one_line(),
    ):
        export_table.subprocess.run(["false", "a b"], check=True)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: failed with exit code 1: false 'a b'\n"
