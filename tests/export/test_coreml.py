"""Core ML packages: converted, described and compared as far as this platform can."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import make_small

from tfgan2 import cli
from tfgan2.errors import UserError
from tfgan2.export import Options, coreml, export_generator, export_networks, graph, model_specs
from tfgan2.export.spec import ExportError, ExportSpec

coremltools = pytest.importorskip("coremltools")

FLAVOURS = (
    *("gan", "dcgan", "cgan", "wgan-gp", "biggan", "stylegan2", "r3gan", "student", "vae"),
    *("pix2pix", "inpainting", "srgan", "stackgan"),
)
NAMES = ["cat", "dog", "7"]


@pytest.mark.slow
def test_a_package_beside_the_other_files(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    specs = model_specs(make_small("cgan"), NAMES)
    options = Options(["coreml", "onnx"], licence="mit", bundle=True, images=16)
    lines: list[str] = []
    about = {"flavour": "cgan", "dataset": "digits"}
    artifacts = export_networks(specs, tmp_path, options, about=about, progress=lines.append)
    assert [item.format for item in artifacts] == ["onnx"]
    (line,) = [line for line in lines if line.startswith("generator.mlpackage: ")]
    assert ("dB PSNR" if sys.platform == "darwin" else "only macOS runs Core ML") in line
    model = coremltools.models.MLModel(str(tmp_path / "generator.mlpackage"), skip_model_load=True)
    facts = json.loads(model.user_defined_metadata["tfgan2"])
    assert facts["class_names"] == NAMES and facts["about"]["flavour"] == "cgan"
    assert model.license == "mit"
    description = model.get_spec().description
    shapes = {item.name: tuple(item.type.multiArrayType.shape) for item in description.input}
    assert shapes == {"z": (1, 6), "label": (1,)}
    assert [item.name for item in description.output] == ["image"]
    # It replaces an earlier package, and can be written alone.
    alone = export_networks(specs, tmp_path, Options(["coreml"]), about=about)
    assert alone == [] and (tmp_path / "generator.mlpackage").is_dir()


@pytest.mark.slow
def test_float16_halves_it(tmp_path: Path) -> None:
    z = keras.Input((64,), name="z")
    x = keras.layers.Dense(4 * 4 * 64)(z)
    x = keras.layers.Conv2DTranspose(1, 4, 2, padding="same")(keras.layers.Reshape((4, 4, 64))(x))
    network = keras.Model(z, x)
    sizes = {}
    for precision in ("float32", "float16"):
        out = tmp_path / precision
        export_generator(network, out, Options(["coreml"], [precision]))
        sizes[precision] = sum(path.stat().st_size for path in out.rglob("weight.bin"))
    assert 0.49 < sizes["float16"] / sizes["float32"] < 0.51


@pytest.mark.slow
def test_a_package_of_another_network_is_refused(tmp_path: Path) -> None:
    specs = [
        graph.checked(model_specs(make_small(name), NAMES)["generator"]) for name in ("gan", "cgan")
    ]
    path = tmp_path / "generator.mlpackage"
    coreml.write(specs[0], path, {}, False, None)
    with pytest.raises(ExportError, match=r"generator\.mlpackage was not kept: its inputs are"):
        coreml.verify(specs[1], path, [], [])


def test_a_network_that_core_ml_cannot_hold(tmp_path: Path) -> None:
    class Determinant(keras.layers.Layer):
        def call(self, x):
            return keras.ops.det(keras.ops.reshape(x, (-1, 2, 2)))[:, None, None, None]

    z = keras.Input((4,), name="z")
    network = keras.Model(z, Determinant()(z))
    with pytest.raises(ExportError, match="Core ML cannot hold this network: "):
        coreml.write(ExportSpec(network), tmp_path / "a.mlpackage", {}, False, None)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"output": "uint8"}, "Core ML packages have a float32 output: leave out --output uint8"),
        ({"dynamic_size": True}, "Core ML packages have a fixed size: leave out --dynamic-size"),
        ({"bundle": True}, "a bundle needs another file than Core ML's: add --format tflite"),
        ({"batch": 2}, "Core ML packages have a batch of 1: leave out --batch"),
        ({"precisions": ["int8"]}, "precision int8 is for tflite only, not for coreml"),
    ],
)
def test_impossible_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Options(["coreml"], **options)


def test_without_coremltools(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tfgan2.export.options.find_spec", lambda name: None)
    assert cli.run(["export", str(tmp_path), "--format", "coreml"]) == 2
    error = capsys.readouterr().err
    assert error == "error: --format coreml needs coremltools: pip install 'tfgan2[coreml]'\n"


@pytest.mark.slow
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_flavours(flavour: str, tmp_path: Path) -> None:
    model = make_small(flavour)
    for name, spec in model_specs(model, NAMES[: getattr(model, "num_labels", 0)]).items():
        spec = graph.checked(spec)
        path = tmp_path / f"{name}.mlpackage"
        coreml.write(spec, path, {}, False, None)
        cases, expected = [], []
        if sys.platform == "darwin":
            from tfgan2.export.spec import verification_cases

            cases = verification_cases(spec, 1)
            expected = [np.asarray(graph.verified_output(spec, inputs)) for inputs in cases]
        assert coreml.verify(spec, path, cases, expected)
        shutil.rmtree(path)
