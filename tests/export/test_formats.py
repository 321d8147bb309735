"""The files compute what Keras computes, run without the package's own runtime."""

from __future__ import annotations

import hashlib
import json
import zipfile
from importlib.metadata import version

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from raw_files import latents, run_raw

from tfgan2.export import FORMATS, Options, export_generator
from tfgan2.export.graph import in_float32
from tfgan2.runtime.container import sha256_of


@pytest.mark.parametrize("model_format", FORMATS)
def test_unconditional(plain, model_format):
    z = latents(1)
    (name, images), *rest = run_raw(plain.of(model_format).path, {"z": z}).items()
    assert (name, rest) == ("image", [])
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, plain.generator(z, training=False), atol=1e-5)


@pytest.mark.parametrize("model_format", FORMATS)
def test_batch_norm_uses_its_moving_statistics(plain, model_format):
    z = latents(1)
    # Training mode would normalise a single image by itself, so this test can fail.
    weights = plain.generator.get_weights()
    training = np.asarray(plain.generator(z, training=True))
    plain.generator.set_weights(weights)  # training mode changed the statistics
    assert np.abs(training - plain.generator(z, training=False)).max() > 0.05
    images = run_raw(plain.of(model_format).path, {"z": z})["image"]
    assert np.abs(images - training).max() > 0.05


@pytest.mark.parametrize("model_format", FORMATS)
def test_conditional_of_a_mixed_policy(conditional, model_format):
    z = np.repeat(latents(1), 3, axis=0)
    reference = in_float32(conditional.generator)
    images = []
    for label in range(3):
        inputs = {"z": z[:1], "label": np.array([label], np.int32)}
        images.append(run_raw(conditional.of(model_format).path, inputs)["image"])
        expected = reference([z[:1], np.array([label])], training=False)
        np.testing.assert_allclose(images[-1], expected, atol=1e-5)
    assert np.abs(images[0] - images[1]).max() > 0.01


@pytest.mark.parametrize("model_format", ["saved_model", "onnx"])
def test_batch_is_free_by_default(plain, model_format):
    artifact = plain.of(model_format)
    assert artifact.batch is None
    for count in (1, 5):
        z = latents(count)
        images = run_raw(artifact.path, {"z": z})["image"]
        np.testing.assert_allclose(images, plain.generator(z, training=False), atol=1e-5)


def test_tflite_makes_one_image_by_default_of_static_shapes(plain):
    artifact = plain.of("tflite")
    assert artifact.batch == 1
    interpreter = Interpreter(model_path=str(artifact.path))
    shapes = [item["shape_signature"] for item in interpreter.get_tensor_details()]
    # A free batch needs these operators, which mobile GPUs refuse.
    assert all((np.asarray(shape) > 0).all() for shape in shapes)
    operators = {item["op_name"] for item in interpreter._get_ops_details()}
    assert {"CONV_2D", "DEPTH_TO_SPACE"} < operators  # see subpixel.py
    assert not operators & {"SHAPE", "PACK", "TRANSPOSE_CONV", "TRANSPOSE"}


@pytest.mark.parametrize("model_format", FORMATS)
def test_fixed_batch(fixed, model_format):
    artifact = fixed.of(model_format)
    assert artifact.batch == 3
    assert artifact.inputs[0]["shape"] == [3, 8]
    assert artifact.outputs[0]["shape"] == [3, 16, 16, 1]
    z = latents(3)
    images = run_raw(artifact.path, {"z": z})["image"]
    np.testing.assert_allclose(images, fixed.generator(z, training=False), atol=1e-5)
    with pytest.raises(Exception, match=r"(?i)shape|dimension|size|tensor"):
        run_raw(artifact.path, {"z": latents(2)})


def test_names_and_shapes_in_onnx(conditional):
    graph = onnx.load(str(conditional.of("onnx").path)).graph
    shapes = {
        tensor.name: [d.dim_param or d.dim_value for d in tensor.type.tensor_type.shape.dim]
        for tensor in [*graph.input, *graph.output]
    }
    assert shapes == {"z": ["batch", 8], "label": ["batch"], "image": ["batch", 16, 16, 1]}


def test_names_in_tflite_and_saved_model(conditional):
    interpreter = Interpreter(model_path=str(conditional.of("tflite").path))
    assert interpreter.get_signature_list() == {
        "serving_default": {"inputs": ["label", "z"], "outputs": ["image"]}
    }
    loaded = tf.saved_model.load(str(conditional.of("saved_model").path))
    signature = loaded.signatures["serving_default"]
    assert set(signature.structured_input_signature[1]) == {"z", "label"}
    assert set(signature.structured_outputs) == {"image"}


def test_saved_model_holds_each_weight_once(large, tmp_path):
    (artifact,) = export_generator(large.generator, tmp_path, Options(["saved_model"], images=16))
    weights = sum(weight.nbytes for weight in large.generator.get_weights())
    assert artifact.bytes < 1.1 * weights


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"])
def test_rebuild_in_float32(make_generator, policy):
    generator = make_generator(policy=policy, classes=3)
    rebuilt = in_float32(generator)
    policies = {layer.dtype_policy.name for layer in rebuilt._flatten_layers(recursive=True)}
    assert policies == {"float32"}
    assert {weight.dtype for weight in rebuilt.weights} == {"float32"}
    assert [item.name for item in rebuilt.inputs] == ["z", "label"]
    for new, old in zip(rebuilt.weights, generator.weights, strict=True):
        np.testing.assert_array_equal(new, keras.ops.cast(old, "float32"))
    inputs = [latents(4), np.array([0, 1, 2, 0])]
    difference = np.abs(rebuilt(inputs, training=False) - generator(inputs, training=False))
    assert 0 < difference.max() < 0.1  # the same function, more precisely
    assert keras.config.dtype_policy().name == "float32"


def test_a_float32_generator_is_not_copied(plain):
    assert in_float32(plain.generator) is plain.generator


def test_metadata_file(plain):
    metadata = json.loads((plain.folder / "metadata.json").read_text())
    listed = {item["file"]: item for item in metadata.pop("artefacts")}
    assert metadata.pop("versions")["tf2onnx"] == version("tf2onnx")
    assert len(metadata.pop("weights_sha256")) == 64
    assert metadata == {
        "tfgan2_format": 1,
        "inputs": [{"name": "z", "dtype": "float32", "shape": [None, 8], "distribution": "normal"}],
        "outputs": [
            {
                "name": "image",
                "dtype": "float32",
                "shape": [None, 16, 16, 1],
                "range": [-1, 1],
                "layout": "NHWC",
            }
        ],
        "latent": {"distribution": "normal", "dim": 8},
        "class_names": [],
        "about": {"flavour": "dcgan", "dataset": "digits", "step": 7},
    }
    assert list(listed) == ["saved_model", "generator.tflite", "generator.onnx"]
    for artifact in plain.artifacts:
        entry = listed[artifact.path.name]
        assert entry == artifact.listing()
        assert entry["max_difference"] <= 1e-4
        assert entry["milliseconds_per_image"] > 0
        if artifact.path.is_file():
            content = artifact.path.read_bytes()
            assert entry["bytes"] == len(content)
            assert entry["sha256"] == hashlib.sha256(content).hexdigest()


def test_sha256_of_a_folder_is_what_sha256sum_says(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_text("1")
    (tmp_path / "a").write_text("2")
    lines = "".join(
        f"{hashlib.sha256(text).hexdigest()}  {name}\n"
        for name, text in [("a", b"2"), ("b/x", b"1")]
    )
    assert sha256_of(tmp_path) == hashlib.sha256(lines.encode()).hexdigest()


def test_conditional_metadata(conditional):
    metadata = json.loads((conditional.folder / "metadata.json").read_text())
    assert metadata["class_names"] == ["cat", "dog", "7"]
    assert metadata["latent"] == {"distribution": "uniform", "dim": 8}
    assert {"name": "label", "dtype": "int32", "shape": [None], "range": [0, 2]} in metadata[
        "inputs"
    ]


def test_embedded_metadata(plain):
    outside = json.loads((plain.folder / "metadata.json").read_text())
    with zipfile.ZipFile(plain.of("tflite").path) as archive:
        assert archive.testzip() is None
        in_tflite = json.loads(archive.read("metadata.json"))
    properties = onnx.load(str(plain.of("onnx").path)).metadata_props
    in_onnx = json.loads({item.key: item.value for item in properties}["tfgan2"])
    in_saved_model = json.loads(
        (plain.of("saved_model").path / "assets.extra" / "metadata.json").read_text()
    )
    for inside, batch in [(in_tflite, 1), (in_onnx, None), (in_saved_model, None)]:
        assert inside["batch"] == batch
        assert inside["inputs"][0]["shape"] == [batch, 8]
        assert "artefacts" not in inside
        for key in ("about", "latent", "class_names", "weights_sha256", "versions"):
            assert inside[key] == outside[key]
