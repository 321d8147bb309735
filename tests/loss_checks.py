"""Checks for every loss and penalty: golden value, dtype, shapes, extreme inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf


@dataclass(frozen=True)
class Case:
    """A function under test, its inputs and its value.

    Attributes:
        function: a public function.
        inputs: arrays that float16 represents exactly.
        expected: value for these inputs.
        options: keyword arguments.
        shapes: shapes of the inputs, all of which give the same value.
        extremes: magnitude of each input, or of all, at which all results must be finite.
        learned: number of inputs, the first ones, that get gradients; None: all.
    """

    function: Callable[..., tf.Tensor]
    inputs: tuple[np.ndarray, ...]
    expected: float
    options: dict[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = ((4,), (4, 1), (1, 2, 2, 1))
    extremes: tuple[float, ...] = (1e4,)
    learned: int | None = None

    def value(self, *inputs: Any) -> tf.Tensor:
        return self.function(*inputs, **self.options)

    def reshaped(self, shape: tuple[int, ...]) -> list[np.ndarray]:
        return [item.reshape(shape) for item in self.inputs]

    def first(self, dtype: tf.DType = tf.float32) -> list[tf.Tensor]:
        """The inputs in the first shape."""
        return [tf.constant(item, dtype) for item in self.reshaped(self.shapes[0])]

    def extreme(self, sign: float | None) -> list[np.ndarray]:
        """The inputs with extreme magnitudes, all of one sign or with their own signs."""
        extremes = self.extremes * (len(self.inputs) // len(self.extremes))
        inputs = self.reshaped(self.shapes[0])
        signs = [np.sign(item) if sign is None else np.full_like(item, sign) for item in inputs]
        return [item * size for item, size in zip(signs, extremes, strict=True)]


def check_golden_value_in_any_shape(case: Case) -> None:
    for shape in case.shapes:
        value = case.value(*(tf.constant(item) for item in case.reshaped(shape)))
        assert value.shape == ()
        assert float(value) == pytest.approx(case.expected, abs=1e-5)


def check_float16_in_float32_out(case: Case) -> None:
    value = case.value(*case.first(tf.float16))
    assert value.dtype == tf.float32
    assert float(value) == pytest.approx(case.expected, abs=1e-5)


def check_gradients_are_finite_at_extremes(case: Case, sign: float | None) -> None:
    """If all inputs have one sign, a gradient may vanish, as for a satisfied hinge."""
    variables = [tf.Variable(item, dtype=tf.float32) for item in case.extreme(sign)]
    with tf.GradientTape() as tape:
        value = case.value(*variables)
    assert np.isfinite(float(value))
    for gradient in tape.gradient(value, variables[: case.learned]):
        assert np.isfinite(gradient.numpy()).all()
        assert sign is not None or np.abs(gradient.numpy()).max() > 0


def check_compiled_value(case: Case) -> None:
    value = tf.function(case.value, jit_compile=True)(*case.first())
    assert float(value) == pytest.approx(case.expected, abs=1e-5)


def check_every_function_has_a_case(module: ModuleType, cases: Iterable[Case]) -> None:
    public = {
        name
        for name, item in vars(module).items()
        if inspect.isfunction(item) and item.__module__ == module.__name__ and name[0] != "_"
    }
    assert public == {case.function.__name__ for case in cases}
