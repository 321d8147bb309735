"""`tfgan2 export`, with a stand-in for the loading of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from tfgan2.cli.export import export
from tfgan2.errors import UserError
from tfgan2.export import card
from tfgan2.export.spec import ExportSpec


@pytest.fixture
def run(plain, tmp_path, monkeypatch):
    from tfgan2 import runs

    exports = {"generator": ExportSpec(plain.generator)}
    model = SimpleNamespace(exports=lambda: exports, latent_distribution="normal")
    about = {"flavour": "dcgan", "dataset": "digits", "step": 5, "class_names": ["a", "b"]}
    monkeypatch.setattr(runs, "load_model", lambda *which: (model, about))
    monkeypatch.setattr(runs.RunConfig, "read", lambda folder: None)
    monkeypatch.setattr(card, "training_facts", lambda *run: {})
    return tmp_path / "a run with a name"


def call(*arguments):
    app = typer.Typer()
    app.command()(export)
    return CliRunner().invoke(app, [str(item) for item in arguments])


@pytest.mark.slow
def test_table_and_next_commands(run):
    result = call(run, "--format", "tflite", "--format", "onnx", "--precision", "float16")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert any("file" in x and "max difference" in x and "ms per image" in x for x in lines)
    assert any("generator.float16.tflite" in x and "│" in x for x in lines)
    assert f"  tfgan2 generate '{run}/export/generator.onnx' --count 16 --out onnx.png" in lines
    assert sorted(path.name for path in (run / "export").iterdir()) == [
        "generator.float16.onnx",
        "generator.float16.tflite",
        "generator.onnx",
        "metadata.json",
    ]


@pytest.mark.slow
def test_mixed_names_the_layers_in_float(run):
    words = ["--format", "tflite", "--precision", "mixed", "--images", "16", "--output", "uint8"]
    result = call(run, *words)
    assert result.exit_code == 0, result.output
    (line,) = [x for x in result.output.splitlines() if "layers kept in float32" in x]
    listed = json.loads((run / "export" / "metadata.json").read_text())["artefacts"][0]
    layers = ", ".join(listed["float_layers"]) or "none: int8 is good enough"
    assert line == f"generator.mixed.tflite, layers kept in float32: {layers}"
    assert "PSNR dB" in result.output and "Fréchet" in result.output
    assert listed["outputs"][0]["dtype"] == "uint8"


def test_a_bundle(run):
    result = call(run, "--format", "onnx", "--images", "16", "--bundle")
    assert result.exit_code == 0, result.output
    assert f"For an app: {run / 'export' / 'bundle.zip'}" in result.output
    assert (run / "export" / "bundle" / "README.md").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--output int8", "unknown output 'int8': did you mean 'uint8'?"),
        ("--images 1", "images must be at least 2, not 1"),
        ("--calibration pairs:x", "for the precisions int8 and mixed"),
        ("--calibration pairs:x --precision int8", "holds pairs, dcgan was trained on images"),
        ("--calibration digits --precision int8", "calibrated on latents"),
    ],
)
def test_impossible_options(run, monkeypatch, words, message):
    from tfgan2 import runs

    config = SimpleNamespace(flavour="dcgan", data=SimpleNamespace(name="digits"))
    monkeypatch.setattr(runs.RunConfig, "read", lambda folder: config)
    result = call(run, *words.split())
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception) and "\n" not in str(result.exception)
    assert not (run / "export").exists()


def test_wrong_options_are_refused_before_tensorflow_is_loaded(tmp_path):
    result = call(tmp_path, "--format", "onnx", "--precision", "int8")
    assert isinstance(result.exception, UserError)
    assert "int8 is for tflite only, not for" in str(result.exception)


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
