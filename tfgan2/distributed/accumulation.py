"""Gradient accumulation: one step on micro-batches in turn, which equals a step on all of them.

Up to its first exchange (`tfgan2.distributed.microbatches`) a step runs on every micro-batch, one
after the other, so that the activations of one are in memory at a time. What they give is combined,
and the step begins again, with the result, up to its next exchange. What follows the last one runs
once.

Changes of variables are recorded. An update of an optimizer makes them, as their mean; until then
every micro-batch finds the variables as they were. What a step computes before an update and uses
after it must not depend on the weights that are updated, or be among the metrics of `minimize`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgan2.distributed.microbatches import MicroBatch, Stop

Function = Callable[..., Any]
Compiler = Callable[[Function], Function]


def accumulated(
    function: Function, count: int, compiled: Compiler | None = None, groups: int = 1
) -> Function:
    """Makes a function of a batch and further tensors compute it in micro-batches.

    Args:
        function: computes scalars, and changes variables of Keras.
        count: number of micro-batches.
        compiled: compiles the function, of several micro-batches what they share; by default into a
            graph, where TensorFlow allows that.
        groups: number of equal parts of a batch, each of which is divided.
    """
    if count == 1:
        return function if compiled is None else compiled(function)
    return _Accumulation(function, count, compiled or _graph, groups)


class _Accumulation:
    """A function that all micro-batches share, compiled once up to each exchange."""

    def __init__(self, function: Function, count: int, compiled: Compiler, groups: int) -> None:
        self._function, self._count, self._groups = function, count, groups
        self._compiled = compiled
        self._mean = self._compiled(_mean)
        self._stages: list[_Stage] = []

    def __call__(self, batch: Any, *others: Any) -> Any:
        results: list[list[tuple[Any, Any]]] = [[] for _ in range(self._count)]
        while True:
            number = len(results[0])
            if number == len(self._stages):
                ended = [each.stop for each in self._stages]
                self._stages.append(_Stage(self._function, self._count, self._compiled, ended))
            stage, mean = self._stages[number], None
            owns: list[Any] = []
            for position, known in enumerate(results):
                # One after the other, or their activations would be in memory together.
                with tf.control_dependencies(_tensors((mean, owns[-1:]))):
                    index = tf.constant(position)
                    values, changes = stage.compute(index, known, self._part(batch, index), *others)
                    if stage.stop is None:
                        stage.make(changes)
                        return values
                    averaged, own = (values[0], changes), values[1]
                    mean = averaged if mean is None else self._mean(mean, averaged, index)
                    owns.append(own)
            assert mean is not None
            result = stage.finish(*mean, owns)
            for known, own in zip(results, owns, strict=True):
                known.append((result, own))

    def _part(self, batch: Any, index: tf.Tensor) -> Any:
        def part(samples: tf.Tensor) -> tf.Tensor:
            shape = samples.shape[1:]
            size = (samples.shape[0] or tf.shape(samples)[0]) // (self._groups * self._count)
            parts = tf.reshape(samples, [self._groups, self._count, size, *shape])
            return tf.reshape(tf.gather(parts, index, axis=1), [self._groups * size, *shape])

        return tf.nest.map_structure(lambda x: None if x is None else part(x), batch)


class _Stage:
    """A function up to its first exchange without a result, or to its end.

    Attributes:
        stop: how it ended when it was traced; None if it reached its end.
    """

    def __init__(
        self,
        function: Function,
        count: int,
        compiled: Compiler,
        ended: Sequence[Any],
    ) -> None:
        self._function, self._count, self._ended = function, count, ended
        self.stop: Stop | None = None
        self._variables: list[keras.Variable] = []
        self.compute, self.finish = compiled(self._compute), compiled(self._finish)
        self.make = compiled(self._make)

    def _compute(
        self, index: tf.Tensor, known: Sequence[tuple[Any, Any]], batch: Any, *others: Any
    ) -> tuple[Any, list[tf.Tensor]]:
        self.stop = None
        with MicroBatch(index, self._count, self._ended, known) as micro_batch:
            try:
                values = self._function(batch, *others)
            except Stop as stop:
                self.stop, self._variables = stop, stop.variables
                return tf.nest.map_structure(_dense, stop.take())
        self._variables = [variable for variable, _ in micro_batch.changes.values()]
        return values, [value for _, value in micro_batch.changes.values()]

    def _finish(self, mean: Any, changes: list[tf.Tensor], owns: Sequence[Any]) -> Any:
        assert self.stop is not None
        self._make(changes)
        return self.stop.finish(mean, owns)

    def _make(self, changes: list[tf.Tensor]) -> None:
        for variable, value in zip(self._variables, changes, strict=True):
            variable.assign(value)


def _graph(function: Function) -> Function:
    """Compiles a function into a graph, where TensorFlow allows that."""
    # A nested function cannot add up what several replicas compute.
    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    if tf.executing_eagerly() or several:
        return function
    # Inlined, the micro-batches would begin together.
    apart = {"_noinline": True}
    return tf.function(function, autograph=False, experimental_attributes=apart)


def _dense(leaf: Any) -> Any:
    return tf.convert_to_tensor(leaf) if isinstance(leaf, tf.IndexedSlices) else leaf


def _tensors(structure: Any) -> list[tf.Tensor]:
    return [leaf for leaf in tf.nest.flatten(structure) if leaf is not None]


def _mean(before: Any, values: Any, index: tf.Tensor) -> Any:
    """The mean of `index` + 1 values, from that of the first ones; of integers the last one."""

    def mean(before: tf.Tensor | None, value: tf.Tensor | None) -> tf.Tensor | None:
        if value is None or not value.dtype.is_floating:
            return value
        # Equal values have exactly this mean.
        return before + (value - before) / tf.cast(index + 1, value.dtype)

    return tf.nest.map_structure(mean, before, values)
