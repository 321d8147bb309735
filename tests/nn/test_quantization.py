"""Fake quantization: against NumPy, and against the int8 file itself."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.networks.layers import LayerMaker
from tfgan2.networks.pairs import generator
from tfgan2.nn.quantization import quantized, rounded_activations, rounded_weights


@pytest.fixture
def network() -> keras.Model:
    model = generator("mobile", (16, 16, 1), 6, LayerMaker(0, 8, max_channels=16), num_labels=3)
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.uniform(0, 0.2, w.shape) for w in model.get_weights()])
    for _ in range(5):  # moves the averages of the batch norms; else all images are white
        model(inputs(), training=True)
    return model


def inputs(count: int = 64) -> list[np.ndarray]:
    z = np.random.default_rng(1).standard_normal((count, 6), dtype=np.float32)
    return [z, np.arange(count, dtype=np.int32) % 3]


@pytest.mark.parametrize(("low", "high"), [(-1.3, 2.9), (0.4, 2.9), (-3.0, -0.2), (0.0, 0.0)])
def test_activations_by_numpy(low: float, high: float) -> None:
    x = np.random.default_rng(0).uniform(low, high, (5, 7)).astype(np.float32)
    bottom, top = min(x.min(), 0), max(x.max(), 0)
    scale = max((float(top) - float(bottom)) / 255, 1e-8)
    zero = np.round(-bottom / scale)
    expected = (np.clip(np.round(x / scale) + zero, 0, 255) - zero) * scale
    rounded = rounded_activations(tf.constant(x))
    np.testing.assert_allclose(rounded, expected, atol=1e-5)
    assert np.abs(rounded - x).max() <= scale * 1.01
    np.testing.assert_allclose(rounded_activations(rounded), rounded, atol=scale / 50)


def test_weights_by_numpy() -> None:
    kernel = np.random.default_rng(0).standard_normal((3, 3, 4, 5)).astype(np.float32)
    kernel[..., 2] = 0
    scale = np.maximum(np.abs(kernel).max((0, 1, 2)) / 127, 1e-8)
    rounded = rounded_weights(tf.constant(kernel), [0, 1, 2])
    np.testing.assert_allclose(rounded, np.round(kernel / scale) * scale, atol=1e-5)
    assert all(len(np.unique(rounded[..., channel])) <= 255 for channel in range(5))


def test_gradients_pass() -> None:
    x = tf.constant([-1.0, 0.3, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(rounded_activations(x) * [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(tape.gradient(y, x), [1, 2, 3])


def test_the_variables_are_those_of_the_network(network: keras.Model) -> None:
    before = len(network.variables)
    active = False
    same = quantized(network, lambda: active)
    np.testing.assert_array_equal(same(inputs()), network(inputs()))
    trained = same(inputs(), training=True)  # moves the averages of the batch norms
    assert np.abs(trained - network(inputs())).max() > 0
    active = True
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(same(inputs(), training=True)))
    gradients = tape.gradient(loss, network.trainable_variables)
    assert all(each is not None for each in gradients)
    assert len(network.variables) == before == len({id(each) for each in same.variables})


@pytest.mark.slow
def test_its_errors_are_as_large_as_those_of_the_int8_file(
    network: keras.Model, tmp_path: Path
) -> None:
    from tfgan2.export import ExportSpec, Options
    from tfgan2.export.graph import checked
    from tfgan2.export.tflite import TFLiteModels
    from tfgan2.runtime.backends import Model, open_backend

    spec = checked(ExportSpec(network, class_names=["a", "b", "c"]))
    path = tmp_path / "generator.tflite"
    content, _ = TFLiteModels(spec, Options(["tflite"], ["int8"])).make("int8", path)
    z, labels = inputs()
    backend = open_backend(path, content, threads=1)
    file = Model(backend, {"outputs": [{"name": "image"}], "batch": 1})({"z": z, "label": labels})

    exact = network(inputs())

    def error(images: object) -> float:
        return float(np.sqrt(np.mean(np.square(np.asarray(images) - exact))))

    # Not the same errors: the ranges of its activations are those of other inputs.
    assert error(quantized(network, lambda: True)(inputs())) == pytest.approx(error(file), rel=0.3)
