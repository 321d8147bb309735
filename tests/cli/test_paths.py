"""Runs and files with names that shells, patterns, markup and TensorFlow read otherwise."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers import eagerly, fit_small

from tfgan2 import cli

ODD = os.fsdecode(b"r[1]\\b\n\t\"'*?#%41 \xf0\x9f\x90\xb8${HOME}~;{x,y}::\xff$\\q$")


def done(*words: object) -> None:
    assert cli.run([str(word) for word in words]) == 0


@pytest.mark.slow
def test_a_run_of_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Takes some seconds: it does all that can be done with a run."""
    run = tmp_path / ODD
    with eagerly():
        assert fit_small(run, steps=2) == 0
    done("fit", "--resume", run, "--steps", 3)
    assert len(list(run.glob("events.*"))) == 2
    for suffix in (".png", ".gif", ".npz", ""):
        done("sample", run, "--count", 2, "--out", tmp_path / f"{ODD}-sample{suffix}")
    done("evaluate", run, "--count", 32, "--features", "random-conv-112")
    shutil.copytree(run, other := tmp_path / "[red]$\\frac$")
    capsys.readouterr()
    done("compare", run, other, "--out", tmp_path / f"{ODD}.png")
    assert "[red]" in capsys.readouterr().out
    formats = [f"--format={name}" for name in ("saved_model", "tflite", "onnx", "web")]
    more = ["--precision=float32", "--precision=int8", "--bundle", "--layout=tf-serving"]
    done("export", run, "--images", 16, *formats, *more)
    assert "\\udcff" in capsys.readouterr().out  # shown as an escape
    made = []
    for name in ("generator.onnx", "generator.tflite"):
        done("generate", run / "export" / name, "--count", 2, "--out", tmp_path / f"{ODD}.npz")
        made.append(np.load(tmp_path / f"{ODD}.npz")["images"].astype(int))
    assert np.abs(made[0] - made[1]).max() <= 1
    done("benchmark", run / "export" / "saved_model", "--count", 1)


def test_the_commands_that_it_shows_can_be_pasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "-a [1]\\b\n\"'*${HOME}~;"
    with eagerly():
        assert fit_small(Path(name), steps=1) == 0
    (command,) = re.findall(r"(?s)\n  tfgan2 (sample .*) --count", capsys.readouterr().out)
    assert shlex.split(command) == ["sample", f"./{name}"]
    echoed = subprocess.run(["sh", "-c", f"printf %s {command[7:]}"], capture_output=True)
    assert echoed.stdout.decode() == f"./{name}"
    done(*shlex.split(command), "--count", 1)


LONG = "y" * 300


@pytest.mark.parametrize(
    "words",
    [
        "fit dcgan --dataset digits --steps 1 --out {}",
        "fit dcgan --dataset folder:{} --out r",
        "fit --resume {}",
        "sample {} --out o.png",
        "export {}",
        "generate {}.onnx",
        "generate x.onnx --out {}.png",
        "translate x.onnx --input {} --out o",
        "evaluate {}",
        "serve {}.onnx",
        "prepare folder:. --out {}",
    ],
)
def test_a_name_that_is_too_long_is_one_line(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(words.format(LONG).split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "yyy" in line and line.endswith("File name too long")
    assert not list(tmp_path.iterdir())
