"""The operators of TFLite files, and which delegates take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.runtime.container import FORMAT_VERSION, seal
from tfgan2.runtime.operators import Operator, read_operators


@pytest.fixture
def operators_of(tmp_path: Path) -> Callable[..., list[Operator]]:
    def operators_of(function: Callable[..., tf.Tensor], *specs: tf.TensorSpec) -> list[Operator]:
        concrete = tf.function(function, input_signature=specs).get_concrete_function()
        content = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
        path = tmp_path / "model.tflite"
        path.write_bytes(seal(content, {"tfgan2_format": FORMAT_VERSION}, "tflite"))
        return read_operators(path)

    return operators_of


def refused(operators: list[Operator], delegate: str) -> dict[str, str]:
    return {item.name: item.refusals[delegate] for item in operators if delegate in item.refusals}


def test_names_layers_and_what_both_delegates_take(operators_of: Callable) -> None:
    image, kernel = tf.TensorSpec((1, 8, 8, 3)), tf.ones((3, 3, 3, 4))
    operators = operators_of(
        lambda x: tf.math.tanh(tf.nn.conv2d(x, kernel, 1, "SAME"), name="last"), image
    )
    assert [item.name for item in operators] == ["CONV_2D", "TANH"]
    assert all(item.refusals == {} for item in operators)


def test_five_dimensions_and_unknown_operators(operators_of: Callable) -> None:
    operators = operators_of(
        lambda x: tf.tile(x, (1, 1, 2, 1, 1)) + tf.sort(x[:, :, :1], axis=-1),
        tf.TensorSpec((1, 2, 3, 4, 5)),
    )
    gpu = refused(operators, "GPU")
    assert gpu["TILE"] == "5 dimensions" and gpu["TOPK_V2"] == "5 dimensions"
    assert refused(operators, "Core ML")["TILE"] == "unknown operator"
    operators = operators_of(lambda x: tf.sin(tf.zeros_like(x) + x), tf.TensorSpec((1, 3)))
    assert "unknown operator" not in refused(operators, "GPU").values()
    operators = operators_of(lambda x: tf.linalg.set_diag(x, x[0]), tf.TensorSpec((3, 3)))
    assert refused(operators, "GPU")["MATRIX_SET_DIAG"] == "unknown operator"


def test_integers_and_dynamic_shapes(operators_of: Callable) -> None:
    table = tf.reshape(tf.range(6.0), (3, 2))
    label = tf.TensorSpec((1,), tf.int32)
    operators = operators_of(lambda label: tf.gather(table, label + 1), label)
    assert refused(operators, "GPU") == {"ADD": "values of int32"}
    assert refused(operators, "Core ML") == {"ADD": "values of int32", "GATHER": "unknown operator"}
    operators = operators_of(lambda x: x * 2.0, tf.TensorSpec((1, None, 4, 1)))
    assert refused(operators, "GPU") == {"MUL": "dynamic shape"}
    assert refused(operators, "Core ML") == {"MUL": "dynamic shape"}


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"no model at all")
    with pytest.raises(UserError, match="is not a TFLite file"):
        read_operators(path)
