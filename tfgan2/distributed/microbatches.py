"""What a step on micro-batches exchanges among them, and draws for each.

A micro-batch is a replica in time. A step stops at each exchange: `minimize`, and what
`tfgan2.distributed.replicas` shares; `tfgan2.distributed.accumulation` runs it.
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


class Stop(BaseException):
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
        return tensors


class MicroBatch(keras.StatelessScope):
    """A block that computes one micro-batch.

    Attributes:
        index: its index, int32, shape ().
        count: number of micro-batches.
        changes: the variables that were changed, and their values.
    """

    def __init__(
        self, index: tf.Tensor, count: int, ended: Sequence[Stop], results: Sequence[Any]
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
        raise Stop(values, changes, finish, range(number, self._number))
