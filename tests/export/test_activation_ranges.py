"""Ranges of int8 activations: narrower where that lowers the error, else those of all values."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from tfgan2.export import ExportSpec, Options
from tfgan2.export.graph import checked, decibels
from tfgan2.export.quantize import Int8
from tfgan2.export.spec import draw_inputs
from tfgan2.export.tflite import TFLiteModels
from tfgan2.runtime.backends import Model, open_backend


@pytest.fixture(scope="module")
def spec() -> ExportSpec:
    """A generator of which one pixel is far beyond 1 before tanh, and others are not."""
    keras.utils.set_random_seed(0)
    z = keras.Input((6,), name="z")
    dense = keras.layers.Dense(64)
    x = keras.layers.Reshape((8, 8, 1))(dense(z))
    dense.bias.assign(50 * np.eye(64)[7])
    return checked(ExportSpec(keras.Model(z, keras.layers.Activation("tanh")(x))))


@pytest.fixture(scope="module")
def float32(spec: ExportSpec, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "generator.tflite"
    return TFLiteModels(spec, Options(["tflite"])).make("float32", path)[0]


def batches(spec: ExportSpec, seed: int) -> list[dict[str, np.ndarray]]:
    inputs = draw_inputs(spec, 64, seed)
    return [{name: array[i : i + 1] for name, array in inputs.items()} for i in range(64)]


def images(content: bytes, spec: ExportSpec) -> np.ndarray:
    backend = open_backend(Path("model.tflite"), content, 1)
    model = Model(backend, {"outputs": [{"name": spec.output_name}], "batch": 1})
    return model(draw_inputs(spec, 64, 5))


def int8(spec: ExportSpec, float32: bytes, score: Callable[[bytes], float]) -> float:
    """Decibels of the int8 model with the ranges that a score chooses."""
    whole = Int8(float32, batches(spec, 1), [], score).whole()
    found, exact = images(whole, spec), images(float32, spec)
    return decibels(found, exact, found.shape)


def test_narrower_ranges_lower_the_error(spec: ExportSpec, float32: bytes) -> None:
    falling = itertools.count(0, -1)
    of_all = int8(spec, float32, lambda model: float(next(falling)))
    assert int8(spec, float32, lambda model: 0.0) > of_all + 3
