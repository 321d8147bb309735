"""Grouped convolutions: against one convolution for each group, and under Keras and XLA."""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from convolution_checks import gradients, numbers, second_gradients

from tfgan2.kernels import compiled_update
from tfgan2.models import R3GAN
from tfgan2.nn.convolutions import GroupedConv2D, one_by_one


def by_hand(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    size, filters = kernel.shape[2:]
    groups = images.shape[3] // size
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    outputs = np.zeros((*images.shape[:3], filters))
    for group in range(groups):
        inputs = padded[..., group * size : (group + 1) * size]
        columns = slice(group * filters // groups, (group + 1) * filters // groups)
        for row in range(3):
            for column in range(3):
                window = inputs[:, row:, column:][:, : images.shape[1], : images.shape[2]]
                outputs[..., columns] += window @ kernel[row, column, :, columns]
    return outputs


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_values_and_second_derivatives_in_every_precision(dtype: str) -> None:
    images, kernel = numbers(2, 5, 6, 12), numbers(3, 3, 4, 6, seed=1)
    layer = GroupedConv2D(6, 3, groups=3, padding="same", use_bias=False, dtype=dtype)
    layer.build(images.shape)
    tolerance = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 0.1, "float16": 0.02}[dtype]
    expected = second_gradients(one_by_one, [images, kernel])
    np.testing.assert_allclose(expected[0], by_hand(images.numpy(), kernel.numpy()), atol=1e-12)
    inputs = [tf.cast(part, dtype) for part in (images, kernel)]
    found = second_gradients(layer.convolution_op, inputs)
    for ours, theirs in zip(found, expected, strict=True):
        error = np.abs(tf.cast(ours, tf.float64) - theirs).max()
        assert error < tolerance * np.abs(theirs).max()


def test_second_derivative_against_finite_differences() -> None:
    images, kernel = numbers(1, 4, 4, 4), numbers(3, 3, 2, 4, seed=1)
    direction, step = numbers(3, 3, 2, 4, seed=2), 1e-5
    layer = GroupedConv2D(4, 3, groups=2, padding="same", dtype="float64")

    def penalty(kernel: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(gradients(layer.convolution_op, [images, kernel])[1] ** 2)

    with tf.GradientTape() as tape:
        tape.watch(kernel)
        value = penalty(kernel)
    slope = tf.reduce_sum(tape.gradient(value, kernel) * direction)
    ends = [penalty(kernel + sign * step * direction) for sign in (1, -1)]
    assert float(slope) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), rel=1e-7)


def test_it_is_keras_layer() -> None:
    ours = GroupedConv2D(6, 3, groups=3, padding="same", name="x")
    images = tf.cast(numbers(2, 6, 6, 12), tf.float32)
    ours(images)
    theirs = keras.layers.Conv2D.from_config(ours.get_config())
    theirs.build(images.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-5)


def test_a_model_with_groups_is_compiled_without_xla_on_a_cpu() -> None:
    sizes = {"image_shape": (8, 8, 1), "base_channels": 4, "latent_dim": 4}
    batch = tf.TensorSpec((8, 8, 8, 1))
    for group_size, expected in ((4, False), (64, True)):
        model = R3GAN(**sizes, group_size=group_size)
        model.train_step = lambda batch: {"sum": tf.reduce_sum(batch)}
        step = compiled_update(model).get_concrete_function(batch)
        assert step.function_def.attr["_XlaMustCompile"].b == expected


def test_tflite_has_one_convolution() -> None:
    inputs = keras.Input((6, 6, 12), batch_size=1)
    network = keras.Model(inputs, GroupedConv2D(6, 3, groups=3, padding="same")(inputs))
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    kinds = [each["op_name"] for each in interpreter._get_ops_details()]
    assert kinds.count("CONV_2D") == 1 and not set(kinds) & {"SPLIT", "CONCATENATION"}
    images = tf.cast(numbers(1, 6, 6, 12), tf.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, network(images), atol=1e-5)


@pytest.mark.slow
def test_bias_and_activation_in_a_graph_without_onednn() -> None:
    code = """
import keras, numpy as np, tensorflow as tf
from tfgan2.nn.convolutions import GroupedConv2D
keras.utils.set_random_seed(1)
layer = GroupedConv2D(8, 3, groups=2, padding="same", activation="relu", bias_initializer="normal")
images = tf.random.normal((2, 8, 8, 8))
np.testing.assert_allclose(tf.function(layer)(images), layer(images), rtol=1e-4, atol=1e-5)
"""
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
