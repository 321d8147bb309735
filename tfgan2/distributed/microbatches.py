"""Gradient accumulation: one step on micro-batches in turn, which equals a step on all of them.

A micro-batch is a replica in time. A step stops at each exchange: `minimize`, and what
`tfgan2.distributed.replicas` shares. Up to there it runs on every micro-batch, one after the other,
so that the activations of one are in memory at a time. What they give is combined, and the step
begins again, with the result, up to its next exchange. What follows the last one runs once.

Changes of variables are recorded. An update of an optimizer makes them, as their mean; until then
every micro-batch finds the variables as they were. What a step computes before an update and uses
after it must not depend on the weights that are updated, or be among the metrics of `minimize`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

_local = threading.local()  # each replica has a thread of its own

_Changes = dict[int, tuple[keras.Variable, tf.Tensor]]
Compute = Callable[[], tuple[Any, Any]]
Finish = Callable[[Any, Sequence[Any]], Any]
Function = Callable[..., Any]


def current() -> MicroBatch | None:
    """Returns the micro-batch that is computed now; None if a step takes its batch as a whole."""
    return getattr(_local, "current", None)


def exchange(compute: Compute, finish: Finish, *, updates: bool = False) -> tuple[Any, Any]:
    """Combines what the micro-batches compute.

    Args:
        compute: returns two structures: tensors to average, and those of this micro-batch.
        finish: gets the means, and a list with the others of each micro-batch; returns the result.
            It keeps no tensors of the surrounding function.
        updates: changes of variables before this exchange are made; else they are only recorded.

    Returns:
        The result, and the tensors of this micro-batch.
    """
    micro_batch = current()
    if micro_batch is None:
        mean, own = compute()
        return finish(mean, [own]), own
    return micro_batch.exchange(compute, finish, updates)


def normal(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """`tf.random.stateless_normal`, with the numbers that the samples have in the whole batch."""
    return drawn(lambda whole: tf.random.stateless_normal(whole, seed), shape)


def uniform(shape: Any, seed: tf.Tensor, *limits: Any, axis: int = 0, **settings: Any) -> tf.Tensor:
    """`tf.random.stateless_uniform`, with the numbers that the samples have in the whole batch.

    `axis` is that of the samples in the shape.
    """
    draw = tf.random.stateless_uniform
    return drawn(lambda whole: draw(whole, seed, *limits, **settings), shape, axis)


def drawn(draw: Callable[[Any], tf.Tensor], shape: Any, axis: int = 0) -> tf.Tensor:
    """Draws numbers for the samples of the whole batch; returns those of the micro-batch.

    Args:
        draw: draws numbers of a shape, the same for all micro-batches.
        shape: the shape for the samples of the micro-batch, a tensor or a sequence.
        axis: the axis of the samples.
    """
    micro_batch = current()
    if micro_batch is None:
        return draw(shape)
    shape = tf.unstack(shape) if tf.is_tensor(shape) else list(shape)
    before, size, after = shape[:axis], shape[axis], shape[axis + 1 :]
    whole = draw([*before, size * micro_batch.count, *after])
    parts = tf.reshape(whole, [*before, micro_batch.count, size, *after])
    return tf.gather(parts, micro_batch.index, axis=axis)


class _Stop(BaseException):
    """Ends a function at its first exchange without a result; Keras would wrap an Exception.

    Attributes:
        finish: see `exchange`.
        numbers: the exchange's own number, and those of all that its computation begins.
        variables: those that change before the exchange is finished.
    """

    def __init__(self, values: Any, changes: _Changes, finish: Finish, numbers: range) -> None:
        super().__init__()
        self.finish, self.numbers = finish, numbers
        self.variables = [variable for variable, _ in changes.values()]
        self._tensors = values, [value for _, value in changes.values()]

    def take(self) -> tuple[Any, list[tf.Tensor]]:
        """The values, and those of the variables; they belong to a graph, and are not kept."""
        tensors, self._tensors = self._tensors, (None, [])
        self.__traceback__ = None
        return tf.nest.map_structure(_dense, tensors)


class MicroBatch(keras.StatelessScope):
    """A block that computes one micro-batch.

    Attributes:
        index: its index, int32, shape ().
        count: number of micro-batches.
        changes: the variables that were changed, and their values.
    """

    def __init__(
        self, index: tf.Tensor, count: int, ended: Sequence[_Stop], results: Sequence[Any]
    ) -> None:
        """Takes the exchanges that have ended, and what `exchange` is to return for each."""
        super().__init__(initialize_variables=False)
        self.index, self.count = index, count
        self.changes: _Changes = {}
        # An exchange may begin within the computation of another one; it ends before that.
        pairs = zip(ended, results, strict=True)
        self._ended = {stop.numbers.start: (stop, result) for stop, result in pairs}
        self._number = 0
        self._before: _Changes | None = None  # changes before the update that has begun

    def __enter__(self) -> MicroBatch:
        _local.current = self
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        _local.current = None
        super().__exit__(*error)

    def add_update(self, update: tuple[keras.Variable, tf.Tensor]) -> None:
        variable, value = update
        if variable.trainable:
            # As after an assignment, gradients reach the variable, not what the value is made of.
            before = tf.convert_to_tensor(variable._value)
            value = tf.stop_gradient(value) + (before - tf.stop_gradient(before))
        self.changes[id(variable)] = variable, value

    def get_current_value(self, variable: keras.Variable) -> tf.Tensor | None:
        return self.changes.get(id(variable), (None, None))[1]

    def exchange(self, compute: Compute, finish: Finish, updates: bool) -> tuple[Any, Any]:
        number, self._number = self._number, self._number + 1
        if number in self._ended:
            stop, result = self._ended[number]
            self._number = stop.numbers.stop
            for variable in stop.variables:  # changed by now
                self.changes.pop(id(variable), None)
            return result
        if updates and self._before is None:
            if max(self._ended, default=-1) > number:  # an update within this one made them
                self.changes.clear()
            self._before = dict(self.changes)
        begun = dict(self.changes)
        values, changes = compute(), {}
        if updates:
            # Not what the update around this one has changed so far: it will do so once more.
            made = {key: new for key, new in self.changes.items() if begun.get(key) is not new}
            changes = {**(self._before or {}), **made}
        raise _Stop(values, changes, finish, range(number, self._number))


class Accumulation:
    """A function of a batch, computed on micro-batches; it returns what the function would.

    All micro-batches share one compiled function for each exchange.
    """

    def __init__(
        self,
        function: Function,
        count: int,
        *,
        compiled: Callable[[Function], Function] | None = None,
        groups: int = 1,
    ) -> None:
        """Makes a function of a batch and further tensors.

        Args:
            function: computes scalars, and changes variables of Keras.
            count: number of micro-batches.
            compiled: compiles what the micro-batches share; by default into a graph, where
                TensorFlow allows that.
            groups: number of equal parts of a batch, each of which is divided.
        """
        self._function, self._count, self._groups = function, count, groups
        self._compiled = compiled or _graph
        self._mean = self._compiled(_mean)
        self._stages: list[_Stage] = []

    def __call__(self, batch: Any, *others: Any) -> Any:
        results: list[list[tuple[Any, Any]]] = [[] for _ in range(self._count)]
        while True:
            number = len(results[0])
            if number == len(self._stages):
                ended = [each.stop for each in self._stages]
                self._stages.append(_Stage(self._function, self._count, self._compiled, ended))
            stage, mean, owns = self._stages[number], None, []
            for position, known in enumerate(results):
                # One after the other, or their activations would be in memory together.
                with tf.control_dependencies(_tensors(mean)):
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
        compiled: Callable[[Function], Function],
        ended: Sequence[Any],
    ) -> None:
        self._function, self._count, self._ended = function, count, ended
        self.stop: _Stop | None = None
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
            except _Stop as stop:
                self.stop, self._variables = stop, stop.variables
                return stop.take()
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
    return tf.function(function, autograph=False)


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
