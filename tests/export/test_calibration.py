"""Exports of runs and models from Python, with int8 calibrated on real samples."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import finished, make_small

from tfgan2 import export
from tfgan2.errors import UserError
from tfgan2.export import Options, export_networks, export_run, model_specs, with_samples
from tfgan2.runs import RunConfig

INT8 = Options(["tflite"], ["int8"], images=16, allow_lossy=True)


@pytest.fixture(scope="module")
def filler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of inpainting, whose generator takes images and masks."""
    run = tmp_path_factory.mktemp("runs") / "filler"
    finished(run, "--image-size 16 --batch-size 4 inpainting --dataset digits")
    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "text"),
    [(None, "64 of digits"), ("faces", "64 of faces")],
)
def test_a_run_is_calibrated_on_real_images(filler, tmp_path, dataset, text):
    (artifact,) = export_run(filler, tmp_path, replace(INT8, calibration=dataset))
    assert artifact.calibration == text
    assert artifact.path == tmp_path / "generator.int8.tflite"
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    assert metadata["about"]["flavour"] == "inpainting"
    assert metadata["artefacts"] == [artifact.listing()]


def test_calibration_images_have_the_size_of_the_run():
    config = RunConfig.create("inpainting", "digits", image_size="16x24")
    config.dataset["image_shape"] = [16, 24, 1]
    images, *_ = export._load_samples(config, replace(INT8, calibration="digits"))
    assert images.shape[1:3] == (16, 24)


def test_the_folder_of_a_run_is_the_default(finished_run, tmp_path):
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    artifacts = export_run(run, options=Options(["onnx"], images=16))
    assert [artifact.path for artifact in artifacts] == [run / "export" / "generator.onnx"]
    assert artifacts[0].calibration is None


@pytest.mark.slow
def test_a_model_is_calibrated_on_given_samples(tmp_path):
    model = make_small("pix2pix")
    shapes = [model.sampling_generator.inputs[0].shape, model.sampling_generator.outputs[0].shape]
    rng = np.random.default_rng(0)
    samples = tuple(rng.uniform(-1, 1, (80, *shape[1:])).astype(np.float32) for shape in shapes)
    specs = model_specs(model)
    (artifact,) = export_networks(with_samples(specs, samples, "noise"), tmp_path / "real", INT8)
    assert artifact.calibration == "64 of noise"
    (artifact,) = export_networks(specs, tmp_path / "synthetic", INT8)
    assert artifact.calibration == "64 of made-up inputs"
    wrong = tuple(part[:, :-1] for part in samples)
    with pytest.raises(UserError, match="noise has inputs of shape"):
        with_samples(specs, wrong, "noise")


def test_a_dynamic_size_needs_a_network_that_takes_images(tmp_path):
    with pytest.raises(UserError, match="the generator takes no images"):
        export_networks(
            model_specs(make_small("dcgan")), tmp_path, Options(["onnx"], dynamic_size=True)
        )
    assert not list(tmp_path.iterdir())
