"""Size and error of each precision; `pytest tests/export/test_precisions.py -s` prints them."""

from __future__ import annotations

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter

from tfgan2 import runtime
from tfgan2.export.onnx_file import float16
from tfgan2.export.spec import CALIBRATED
from tfgan2.metrics import RANDOM_CONVOLUTIONS


def test_sizes_and_differences(large):
    print(
        f"\n{'file':<26}{'MB':>7}{'of f32':>8}{'max':>10}{'steps':>7}{'PSNR':>7}{'Fréchet':>10}"
        f"{'ms':>7}"
    )
    full = large.of("tflite").bytes
    for a in large.artifacts:
        print(
            f"{a.path.name:<26}{a.bytes / 1e6:>7.2f}{a.bytes / full:>8.3f}{a.max_difference:>10.1e}"
            f"{a.picture_difference:>7.3f}{a.psnr:>7.1f}{a.frechet['distance']:>10.2g}"
            f"{a.milliseconds_per_image:>7.2f}"
        )
    assert large.generator.count_params() > 1_000_000
    # precision: largest fraction of the float32 size, least decibels
    limits = {
        "float32": (1.0, 80),
        "float16": (0.52, 60),
        "dynamic": (0.28, 35),
        "int8": (0.28, 30),
        "mixed": (0.52, 35),
    }
    for precision, (size, decibels) in limits.items():
        artifact = large.of("tflite", precision)
        assert artifact.bytes <= size * full
        assert artifact.psnr >= decibels
        assert artifact.frechet["features"] == RANDOM_CONVOLUTIONS
        assert artifact.frechet["images"] == 200
    assert large.of("tflite").max_difference <= 1e-4
    # Lower precision differs more, by every measure.
    order = [large.of("tflite", name) for name in ("float32", "float16", "dynamic", "int8")]
    means = [artifact.mean_difference for artifact in order]
    assert means == sorted(means)
    assert means[0] < means[1] / 100
    assert [a.psnr for a in order] == sorted((a.psnr for a in order), reverse=True)
    distances = [artifact.frechet["distance"] for artifact in order]
    assert distances == sorted(distances) and distances[1] < distances[3]


def test_onnx_with_weights_in_float16(large):
    full, half = (large.of("onnx", precision) for precision in ("float32", "float16"))
    assert half.path.name == "generator.float16.onnx"
    assert half.bytes <= 0.51 * full.bytes and 60 <= half.psnr < full.psnr
    types = {tensor.data_type for tensor in onnx.load(half.path).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in types
    same, other = (runtime.load(item.path).generate(8, seed=5) for item in (full, half))
    np.testing.assert_allclose(other, same, atol=0.01)
    assert np.abs(other - same).max() > 0


def test_weights_beyond_float16_stay_as_they_are():
    values = np.full((8, 16), 1e6, np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 8])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 16])],
        [onnx.numpy_helper.from_array(values, "w")],
    )
    content = onnx.helper.make_model(graph).SerializeToString()
    (weights,) = onnx.load_model_from_string(float16(content)).graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weights), values)


def test_the_images_use_their_range(large):
    """Otherwise the differences above would not hold for a trained generator."""
    z = np.random.default_rng(0).standard_normal((16, 100), np.float32)
    assert 0.3 < float(np.std(large.generator(z, training=False))) < 0.9


def test_int8_is_integer_inside_and_float_outside(large):
    interpreter = Interpreter(model_path=str(large.of("tflite", "int8").path))
    interpreter.allocate_tensors()
    assert [item["dtype"] for item in interpreter.get_input_details()] == [np.float32]
    assert [item["dtype"] for item in interpreter.get_output_details()] == [np.float32]
    dtypes = {item["index"]: item["dtype"] for item in interpreter.get_tensor_details()}
    weighty = [
        operator
        for operator in interpreter._get_ops_details()
        if operator["op_name"] in ("FULLY_CONNECTED", "CONV_2D", "TRANSPOSE_CONV")
    ]
    assert len(weighty) == 4
    for operator in weighty:
        taken = {dtypes[index] for index in operator["inputs"] if index >= 0}
        assert np.int8 in taken and taken <= {np.int8, np.int32}
        assert dtypes[operator["outputs"][0]] == np.int8
    assert CALIBRATED["latents"] >= 300
    assert large.of("tflite", "int8").calibration == "320 of latents"
    assert large.of("tflite", "float16").calibration is None
