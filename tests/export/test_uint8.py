"""`--output uint8`: the graph itself rounds."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import make_small
from raw_files import latents, run_raw

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.export import FORMATS, Options, export_generator, export_networks, model_specs
from tfgan2.export.graph import round_to_uint8
from tfgan2.images import from_uint8, to_uint8


@pytest.fixture(scope="module")
def rounded(plain, tmp_path_factory):
    """`plain` as uint8 in all formats and two precisions."""
    folder = tmp_path_factory.mktemp("uint8")
    options = Options(precisions=["float32", "int8"], output="uint8", images=100)
    return export_generator(plain.generator, folder, options)


def test_the_same_rounding_to_the_last_bit():
    steps = np.arange(-2, 258, 0.5, np.float32) / 127.5 - 1  # halves, and values out of range
    near = np.nextafter(steps, np.float32(9)), np.nextafter(steps, np.float32(-9))
    values = np.concatenate([steps, *near, np.linspace(-1.1, 1.1, 9999, dtype=np.float32)])
    made = round_to_uint8(tf.constant(values))
    assert made.dtype == tf.uint8
    np.testing.assert_array_equal(made, to_uint8(values))
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(from_uint8(levels)), levels)


def test_files_give_the_rounded_images_of_keras(plain, rounded):
    assert [a.format for a in rounded] == ["saved_model", "tflite", "tflite", "onnx"]
    for artifact in rounded:
        z = latents(artifact.batch or 20)
        wanted = to_uint8(np.asarray(plain.generator(z, training=False)))
        made = run_raw(artifact.path, {"z": z})["image"]
        assert made.dtype == np.uint8 and made.shape == wanted.shape
        off = np.abs(made.astype(int) - wanted)
        if artifact.precision == "float32":
            assert off.max() <= 1 and (off > 0).mean() < 0.001
            assert artifact.psnr > 60 and artifact.max_difference <= 2.01 / 255
        else:
            assert off.max() > 1 and artifact.psnr > 25


def test_metadata_says_so(rounded):
    folder = rounded[0].path.parent
    metadata = json.loads((folder / "metadata.json").read_text())
    for listed in (metadata, *metadata["artefacts"]):
        (output,) = listed["outputs"]
        assert (output["dtype"], output["range"], output["layout"]) == ("uint8", [0, 255], "NHWC")


def test_the_runtime_gives_the_same_images(plain, rounded):
    for artifact in rounded:
        if artifact.precision == "float32" and artifact.path.is_file():
            pictures = runtime.load(artifact.path)
            latents, labels, _ = pictures.draw(7, seed=3)
            images = pictures(latents, labels)
            assert images.dtype == np.float32 and -1 <= images.min() < images.max() <= 1
            floats = runtime.load(plain.folder / artifact.path.name)(latents)
            off = np.abs(to_uint8(images).astype(int) - to_uint8(floats))
            assert off.max() <= 1 and (off > 0).mean() < 0.001


def test_the_rounding_is_not_quantized(rounded):
    """The rounding stays in float, so that int8 loses nothing by it."""
    from ai_edge_litert.interpreter import Interpreter

    (int8,) = [a for a in rounded if a.precision == "int8"]
    interpreter = Interpreter(model_path=str(int8.path))
    interpreter.allocate_tensors()
    dtypes = {item["index"]: item["dtype"] for item in interpreter.get_tensor_details()}
    operators = {item["op_name"]: item for item in interpreter._get_ops_details()}
    assert dtypes[operators["ROUND"]["inputs"][0]] == np.float32
    assert dtypes[operators["TANH"]["inputs"][0]] == np.int8


@pytest.mark.slow
@pytest.mark.parametrize("model_format", FORMATS)
def test_translators_and_text_encoders(tmp_path, model_format):
    for flavour in ("srgan", "stackgan"):
        options = Options([model_format], output="uint8", images=4)
        made = export_networks(model_specs(make_small(flavour)), tmp_path / flavour, options)
        dtypes = {artifact.network: artifact.outputs[0]["dtype"] for artifact in made}
        assert dtypes["generator"] == "uint8"
        assert dtypes.get("text_encoder", "float32") == "float32"
    if model_format != "saved_model":
        suffix = {"tflite": ".tflite", "onnx": ".onnx"}[model_format]
        translator = runtime.load(tmp_path / "srgan" / f"generator{suffix}")
        images = translator(np.zeros((1, *translator.size, 1), np.float32))
        assert images.dtype == np.float32 and np.abs(images).max() <= 1


def test_points_are_refused(tmp_path):
    z = keras.Input((2,), name="z")
    points = keras.Model(z, keras.layers.Reshape((1, 1, 2))(keras.layers.Dense(2)(z)))
    with pytest.raises(UserError, match="points have no uint8 form") as error:
        export_generator(points, tmp_path / "export", Options(["onnx"], output="uint8"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "export").exists()
