"""`tfgan2 export --format web`."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from tfgan2 import cli
from tfgan2.export.spec import ExportSpec
from tfgan2.web import ort


def network(shape=(8, 8, 1), name="z"):
    import keras

    given = keras.Input((4,) if name == "z" else shape, name=name)
    if name == "z":
        x = keras.layers.Dense(shape[0] * shape[1] * shape[2])(given)
        x = keras.layers.Reshape(shape)(x)
    else:
        x = keras.layers.Conv2D(shape[2], 3, padding="same")(given)
    return keras.Model(given, keras.layers.Activation("tanh")(x))


@pytest.fixture
def exports(monkeypatch):
    """The networks of the run's model; a test fills them in."""
    from tfgan2 import runs

    found = {}
    model = SimpleNamespace(exports=lambda: found, latent_distribution="normal")
    about = {"flavour": "gan", "dataset": "digits", "step": 5, "class_names": []}
    monkeypatch.setattr(runs, "load_model", lambda *which: (model, about))
    monkeypatch.setattr(runs.RunConfig, "read", lambda folder: None)
    return found


def export(run, *options):
    return cli.run(["export", str(run), *map(str, options)])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_page_beside_the_onnx(exports, tmp_path, capsys):
    exports["generator"] = ExportSpec(network())
    npm = tmp_path / "npm" / "dist"
    npm.mkdir(parents=True)
    for name in ort.FILES:
        (npm / name).write_text(name)
    assert export(tmp_path / "a run", "--format", "web", "--ort-web", tmp_path / "npm") == 0
    folder = tmp_path / "a run" / "export"
    assert names(folder) == ["generator.onnx", "metadata.json", "web"]
    assert (folder / "web" / "model.onnx").read_bytes() == (folder / "generator.onnx").read_bytes()
    assert names(folder / "web" / "ort") == sorted(ort.FILES)
    assert json.loads((folder / "web" / "model.json").read_text())["title"] == "gan · digits"
    lines = capsys.readouterr().out.splitlines()
    assert f"  python -m http.server --directory '{folder}/web'" in lines


def test_only_on_request_and_with_other_formats(exports, tmp_path):
    exports["generator"] = ExportSpec(network())
    assert export(tmp_path / "plain", "--format", "onnx") == 0
    assert names(tmp_path / "plain" / "export") == ["generator.onnx", "metadata.json"]
    assert export(tmp_path / "both", "--format", "web", "--format", "tflite") == 0
    found = names(tmp_path / "both" / "export")
    assert found == ["generator.onnx", "generator.tflite", "metadata.json", "web"]


def test_the_page_runs_the_smallest_onnx(exports, tmp_path):
    exports["generator"] = ExportSpec(network())
    assert export(tmp_path / "run", "--format", "web", "--precision", "float16") == 0
    folder = tmp_path / "run" / "export"
    half = (folder / "generator.float16.onnx").read_bytes()
    assert (folder / "web" / "model.onnx").read_bytes() == half


def test_several_networks_have_a_page_each(exports, tmp_path):
    facts = {"size": [8, 8], "multiple": 1, "scale": 1}
    for name in ("a_to_b", "b_to_a"):
        exports[name] = ExportSpec(network(name="input"), facts=facts)
    assert export(tmp_path, "--format", "web") == 0
    folder = tmp_path / "export"
    assert names(folder) == [
        *("a_to_b.onnx", "b_to_a.onnx", "metadata.json", "web-a_to_b", "web-b_to_a")
    ]
    about = json.loads((folder / "web-b_to_a" / "model.json").read_text())
    assert about["title"] == "gan · digits · b to a"
    assert (folder / "web-b_to_a" / "model.onnx").read_bytes() == (
        folder / "b_to_a.onnx"
    ).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--format web --ort-web none", "none is not a folder"),
        ("--format web --ort-web .", "npm install onnxruntime-web"),
        ("--ort-web .", "add --format web"),
        ("--format wbe", "'web'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert export(tmp_path / "run", *options.split()) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_refused_page_leaves_nothing(exports, tmp_path, capsys):
    exports["generator"] = ExportSpec(network((1, 1, 2)))
    assert export(tmp_path / "points", "--format", "web") == 2
    assert "web shows images" in capsys.readouterr().err
    assert not (tmp_path / "points").exists()

    exports["generator"] = ExportSpec(network())
    theirs = tmp_path / "theirs" / "export" / "web"
    theirs.mkdir(parents=True)
    (theirs / "index.html").write_text("mine")
    assert export(tmp_path / "theirs", "--format", "web") == 2
    assert "is not a tfgan2 page" in capsys.readouterr().err
    assert names(theirs.parent) == ["web"]
