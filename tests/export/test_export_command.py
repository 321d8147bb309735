"""`tfgan2 export`, on a run whose loading is replaced."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from tfgan2.cli.export import export
from tfgan2.errors import UserError
from tfgan2.models.base import Exportable


@pytest.fixture
def run(plain, tmp_path, monkeypatch):
    from tfgan2 import runs

    exports = {"generator": Exportable(plain.generator)}
    model = SimpleNamespace(exports=lambda: exports, latent_distribution="normal")
    about = {"flavour": "dcgan", "dataset": "digits", "step": 5, "class_names": ["a", "b"]}
    monkeypatch.setattr(runs, "load_model", lambda folder: (model, about))
    monkeypatch.setattr(runs.RunConfig, "read", lambda folder: None)
    return tmp_path / "a run with a name"


def call(*arguments):
    app = typer.Typer()
    app.command()(export)
    return CliRunner().invoke(app, [str(item) for item in arguments])


def test_table_and_next_commands(run):
    result = call(run, "--format", "tflite", "--format", "onnx", "--precision", "float16")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert any("file" in x and "max difference" in x and "ms per image" in x for x in lines)
    assert any("generator.float16.tflite" in x and "│" in x for x in lines)
    assert f"  tfgan2 generate '{run}/export/generator.onnx' --count 16 --out onnx.png" in lines
    assert sorted(path.name for path in (run / "export").iterdir()) == [
        "generator.float16.tflite",
        "generator.onnx",
        "metadata.json",
    ]


def test_a_wrong_request_is_told_before_tensorflow_is_loaded(tmp_path):
    result = call(tmp_path, "--format", "onnx", "--precision", "int8")
    assert isinstance(result.exception, UserError)
    assert "int8 is for tflite only" in str(result.exception)


def test_import_loads_no_tensorflow():
    code = (
        "import sys, tfgan2.cli.export, tfgan2.cli.generate; "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_layouts(run):
    result = call(run, "--format", "onnx", "--layout", "triton")
    assert result.exit_code == 0, result.output
    assert f"For triton: {run}/export/triton/generator" in result.output.splitlines()
    assert (run / "export/triton/generator/1/model.onnx").is_file()
    result = call(run, "--format", "onnx", "--layout", "tf-serving")
    assert isinstance(result.exception, UserError)
    assert "add --format saved_model" in str(result.exception)
