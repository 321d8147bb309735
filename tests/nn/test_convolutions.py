"""Grouped convolutions: every form against one convolution for each group."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from convolution_checks import assert_same, gradients, numbers, second_gradients

from tfgan2.kernels.rewriting import rewritten
from tfgan2.nn.convolutions import GroupedConv2D, grouped_conv2d


def one_by_one(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    groups = images.shape[-1] // kernel.shape[2]
    pairs = zip(tf.split(images, groups, 3), tf.split(kernel, groups, 3), strict=True)
    return tf.concat([tf.nn.conv2d(x, k, 1, "SAME") for x, k in pairs], 3)


@pytest.mark.parametrize(
    ("images", "kernel"),
    [
        ((2, 5, 4, 12), (3, 3, 4, 6)),
        ((3, 4, 4, 8), (3, 3, 2, 8)),
        ((1, 2, 7, 6), (1, 5, 3, 2)),
        ((2, 1, 1, 4), (3, 3, 4, 3)),
    ],
)
def test_patches_of_groups_and_their_derivatives(images: tuple, kernel: tuple) -> None:
    inputs = [numbers(*images), numbers(*kernel, seed=1)]
    assert_same(second_gradients(grouped_conv2d, inputs), second_gradients(one_by_one, inputs))


def layer_and_inputs(dtype: str) -> tuple[GroupedConv2D, list[tf.Tensor]]:
    images = tf.cast(numbers(2, 6, 6, 12), dtype)
    layer = GroupedConv2D(6, 3, groups=3, padding="same", use_bias=False, dtype=dtype)
    layer.build(images.shape)
    return layer, [images, tf.cast(numbers(3, 3, 4, 6, seed=1), dtype)]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_the_layer_has_second_derivatives_in_every_precision(dtype: str) -> None:
    layer, inputs = layer_and_inputs(dtype)
    exact = [tf.cast(part, tf.float64) for part in inputs]
    tolerance = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 0.1, "float16": 0.02}[dtype]
    found = second_gradients(layer.convolution_op, inputs)
    for ours, theirs in zip(found, second_gradients(one_by_one, exact), strict=True):
        error = np.abs(tf.cast(ours, tf.float64) - theirs).max()
        assert error < tolerance * np.abs(theirs).max()


def test_second_derivative_against_finite_differences() -> None:
    images, kernel = numbers(1, 4, 4, 4), numbers(3, 3, 2, 4, seed=1)
    direction, step = numbers(3, 3, 2, 4, seed=2), 1e-5

    def penalty(kernel: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(gradients(grouped_conv2d, [images, kernel])[1] ** 2)

    with tf.GradientTape() as tape:
        tape.watch(kernel)
        value = penalty(kernel)
    slope = tf.reduce_sum(tape.gradient(value, kernel) * direction)
    ends = [penalty(kernel + sign * step * direction) for sign in (1, -1)]
    assert float(slope) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), rel=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_only_a_step_for_xla_on_a_cpu_takes_another_form(dtype: str) -> None:
    inputs = keras.Input((6, 6, 12))
    layer = GroupedConv2D(6, 3, groups=3, padding="same", dtype=dtype)
    network = keras.Model(inputs, layer(inputs))
    images = tf.cast(numbers(2, 6, 6, 12), tf.float32)

    def operations(**forms: bool) -> tuple[tf.Tensor, set[str]]:
        with rewritten([network], **forms):
            graph = tf.function(lambda: network(images)).get_concrete_function()
        kinds = {op.type for op in graph.graph.get_operations()}
        return tf.cast(graph(), tf.float32), kinds & {"Conv2D", "BatchMatMulV2"}

    plain, own = operations(convolutions=True, groups=False)
    other, rewritten_kinds = operations(convolutions=False)
    assert own == {"Conv2D"} and rewritten_kinds == {"BatchMatMulV2"}
    np.testing.assert_allclose(other, plain, atol=1e-5 if dtype == "float32" else 0.02)


def test_it_is_keras_layer() -> None:
    keras.utils.set_random_seed(0)
    ours = GroupedConv2D(6, 3, groups=3, padding="same", name="x")
    images = tf.cast(numbers(2, 6, 6, 12), tf.float32)
    ours(images)
    theirs = keras.layers.Conv2D.from_config(ours.get_config())
    theirs.build(images.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-5)
