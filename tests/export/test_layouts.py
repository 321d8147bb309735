"""Model repositories for TensorFlow Serving and Triton."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from google.protobuf import text_format
from helpers import make_small
from tritonclient.grpc import model_config_pb2

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.export import Options, export_networks, model_specs
from tfgan2.export.layouts import triton_config, write_layout
from tfgan2.inputs.latents import draw_latents


def parsed(config: str):
    return text_format.Parse(config, model_config_pb2.ModelConfig())


@pytest.mark.slow
def test_tf_serving_loads_its_model(conditional, tmp_path):
    write_layout("tf-serving", conditional.artifacts, tmp_path / "models")
    (model,) = (tmp_path / "models").iterdir()
    assert model.name == "generator"
    assert [path.name for path in model.iterdir()] == ["1"]
    loaded = tf.saved_model.load(str(model / "1"))
    z = draw_latents(3, 8, seed=4, distribution="uniform")
    labels = np.array([2, 0, 1], np.int32)
    made = loaded.signatures["serving_default"](z=tf.constant(z), label=tf.constant(labels))
    expected = runtime.load(conditional.folder / "generator.onnx")(z, labels)
    np.testing.assert_allclose(made["image"], expected, atol=1e-4)


def test_triton_gets_batches(conditional, tmp_path):
    write_layout("triton", conditional.artifacts, tmp_path)
    (model,) = tmp_path.iterdir()
    config = parsed((model / "config.pbtxt").read_text())
    assert (config.name, config.backend, config.max_batch_size) == ("generator", "onnxruntime", 32)
    assert config.HasField("dynamic_batching")
    session = onnxruntime.InferenceSession(model / "1" / "model.onnx")
    types = {"tensor(float)": "TYPE_FP32", "tensor(int32)": "TYPE_INT32"}
    for configured, tensors in (
        (config.input, session.get_inputs()),
        (config.output, session.get_outputs()),
    ):
        assert [item.name for item in configured] == [tensor.name for tensor in tensors]
        for item, tensor in zip(configured, tensors, strict=True):
            assert model_config_pb2.DataType.Name(item.data_type) == types[tensor.type]
            # The shape that Triton passes to the model, after the batch dimension.
            given = list(item.reshape.shape) if item.HasField("reshape") else list(item.dims)
            assert list(item.dims)
            assert given == tensor.shape[1:]


@pytest.mark.slow
def test_triton_with_a_fixed_batch(fixed, tmp_path):
    write_layout("triton", fixed.artifacts, tmp_path)
    (model,) = tmp_path.iterdir()
    config = parsed((model / "config.pbtxt").read_text())
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    assert [list(item.dims) for item in config.input] == [[3, 8]]
    assert [list(item.dims) for item in config.output] == [[3, 16, 16, 1]]


def test_triton_with_a_free_size():
    image = {"name": "input", "dtype": "float32", "shape": [None, None, None, 3]}
    artefact = {"network": "a_to_b", "batch": None, "inputs": [image], "outputs": [image]}
    config = parsed(triton_config(artefact))
    assert list(config.input[0].dims) == [-1, -1, 3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flavour", "outputs"),
    [
        ("cyclegan", {"a_to_b": "uint8", "b_to_a": "uint8"}),
        ("stackgan", {"generator": "uint8", "text_encoder": "float32"}),
    ],
)
def test_several_networks_of_uint8(flavour, outputs, tmp_path):
    artifacts = export_networks(
        model_specs(make_small(flavour)),
        tmp_path / "export",
        Options(["saved_model", "onnx"], output="uint8", images=16),
    )
    types = {"float32": ("TYPE_FP32", "tensor(float)"), "uint8": ("TYPE_UINT8", "tensor(uint8)")}
    for layout in ("tf-serving", "triton"):
        write_layout(layout, artifacts, tmp_path / layout)
        assert {model.name for model in (tmp_path / layout).iterdir()} == outputs.keys()
    for name, dtype in outputs.items():
        model = tmp_path / "triton" / name
        config = parsed((model / "config.pbtxt").read_text())
        (configured,), (made,) = (
            config.output,
            onnxruntime.InferenceSession(model / "1" / "model.onnx").get_outputs(),
        )
        assert (config.name, configured.name) == (name, made.name)
        kind = model_config_pb2.DataType.Name(configured.data_type)
        assert (kind, made.type) == types[dtype]
        assert list(configured.dims) == made.shape[1:]
        loaded = tf.saved_model.load(str(tmp_path / "tf-serving" / name / "1"))
        (output,) = loaded.signatures["serving_default"].structured_outputs.values()
        assert output.dtype.name == dtype


def test_a_model_is_replaced_and_others_stay(plain, tmp_path):
    for name in ("generator/7", "other/1"):
        (tmp_path / name).mkdir(parents=True)
    write_layout("triton", plain.artifacts, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generator", "other"]
    assert sorted(path.name for path in (tmp_path / "generator").iterdir()) == [
        "1",
        "config.pbtxt",
    ]


def test_refusals(plain, tmp_path):
    with pytest.raises(UserError, match="unknown layout 'trition': did you mean 'triton'"):
        Options(["onnx"], layouts=["trition"])
    with pytest.raises(UserError, match="add --format saved_model"):
        Options(["onnx"], layouts=["triton", "tf-serving"])
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write to"):
        write_layout("triton", plain.artifacts, tmp_path / "file")
