"""Compiled calls that train one or several steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfgan2.data.dataset import Order, Part, Source, endless, parts, scaled, whole
from tfgan2.distributed.strategies import Worker
from tfgan2.options import TrainingOptions
from tfgan2.training.building import compiled_step
from tfgan2.training.memory import available

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.models.base import GenerativeModel, Metrics

Stop = tuple[bool, bool]
"""Whether training is to stop because of a signal, and because of a callback."""
_PREFETCHED_NUMBERS = 256
"""Steps whose samples' numbers are drawn ahead: a call takes those of many steps at once."""


@dataclass(frozen=True)
class Call:
    """What a call did.

    Attributes:
        metrics: those of each step that it trained, means over all replicas.
        seconds: time that it took.
        input_seconds: time that it waited for images.
        compiled: whether it had to compile the step first.
        stop: whether any worker is to stop.
    """

    metrics: list[dict[str, float]]
    seconds: float
    input_seconds: float
    compiled: bool
    stop: Stop


class Calls:
    """Calls of any number of steps: a loop of TensorFlow around the compiled step.

    Within XLA, convolutions in a loop would be 15 times as slow on a CPU. The weights do not depend
    on the number of steps in a call.

    Attributes:
        takes_several: whether a call may train several steps.
    """

    takes_several = True

    def __init__(self, model: GenerativeModel, options: TrainingOptions, iterator: Any) -> None:
        self.model, self.options = model, options
        self._iterator = iterator
        self._functions: dict[str, Any] = {}
        self._names: dict[str, list[str]] = {}

    def train(self, count: int, stop: Stop) -> Call:
        """Trains `count` steps. If data cannot be read, the steps before that are done.

        `stop` says whether this worker is to stop.
        """
        started = time.perf_counter()
        phase = self.model.phase
        new = phase not in self._functions
        if new:
            self._functions[phase] = self._compiled(self._names.setdefault(phase, []))
        function = self._functions[phase]
        waited, rows, stops = function(self._iterator, tf.constant(count), tf.constant(stop))
        names = self._names[phase]
        metrics = [dict(zip(names, row, strict=True)) for row in rows.numpy().tolist()]
        by_signal, by_callback = (stops.numpy() > 0).tolist()
        seconds = time.perf_counter() - started
        return Call(metrics, seconds, float(waited), new, (by_signal, by_callback))

    def _compiled(self, names: list[str]) -> Any:
        """Compiles the present phase; `names` receives the names of its metrics.

        The function returns the seconds of waiting, the metrics, shape (steps, names), and how many
        replicas are to stop.
        """
        update = self._update()

        @tf.function(autograph=False)
        def train(iterator: Any, count: tf.Tensor, stop: tf.Tensor) -> Any:
            found, waiting = _timed(lambda: self._first(iterator, count))

            def step(index: tf.Tensor, waiting: tf.Tensor, rows: tf.TensorArray) -> Any:
                batch, seconds = _timed(lambda: self._next(iterator, found, index))
                with tf.control_dependencies([seconds]):
                    metrics = update(batch)
                names[:] = sorted(metrics)
                row = tf.stack([metrics[name] for name in names])
                return index + 1, waiting + seconds, rows.write(index, row)

            rows = tf.TensorArray(tf.float32, count)
            # Time is read before each update: one core might do so afterwards.
            with tf.control_dependencies([waiting]):
                if self.takes_several:
                    _, waiting, rows = _repeated(count, step, waiting, rows)
                else:
                    _, waiting, rows = step(tf.constant(0), waiting, rows)
            return waiting, rows.stack(), self._stops(stop)

        return train

    def _update(self) -> Callable[[Any], Metrics]:
        """Returns the function that trains one step, of what `_next` returns."""
        raise NotImplementedError

    def _first(self, iterator: Any, count: tf.Tensor) -> Any:
        """Returns what is read before the first of `count` steps."""
        return ()

    def _next(self, iterator: Any, found: Any, index: tf.Tensor) -> Any:
        """Returns what a step needs; `found` is what `_first` returned."""
        return iterator.get_next()

    def _stops(self, stop: tf.Tensor) -> tf.Tensor:
        return tf.cast(stop, tf.float32)


class DeviceCalls(Calls):
    """Calls on one device; samples that lie in memory are looked up there."""

    def __init__(
        self, model: GenerativeModel, options: TrainingOptions, dataset: ImageDataset, order: Order
    ) -> None:
        """Trains on the samples in this order; its batches are those of a step."""
        gpus = tf.config.list_logical_devices("GPU")
        self._device = gpus[0].name if gpus else "/CPU:0"
        source = dataset.source
        self._tables = _tables(source, self._device, options.device_share)
        self._look_up = source.look_up
        self._step: Callable[[Any], Metrics] | None = None
        if self._tables is not None:
            pipeline = endless(source.drawn(order), _PREFETCHED_NUMBERS)
        else:
            pipeline = endless(source.batches(order))
            if gpus:
                pipeline = pipeline.apply(tf.data.experimental.prefetch_to_device(self._device, 2))
        super().__init__(model, options, iter(pipeline))

    def _update(self) -> Callable[[Any], Metrics]:
        if self._step is None or not self.model.is_divided:
            self._step = compiled_step(self.model, self.options)
        update = self._step

        @tf.function(jit_compile=self.options.xla, autograph=False)
        def prepared(tables: Any, *drawn: Any) -> Any:
            batch = whole(drawn)
            return scaled(batch if tables is None else self._look_up(tables, batch))

        return lambda drawn: update(prepared(self._tables, *parts(drawn)))

    def _first(self, iterator: Any, count: tf.Tensor) -> Any:
        """The numbers of the samples of all steps: one transfer to the device."""
        if self._tables is None:
            return ()
        specs = tf.nest.flatten(iterator.element_spec)

        def draw(index: tf.Tensor, *drawn: tf.TensorArray) -> Any:
            each = zip(drawn, tf.nest.flatten(iterator.get_next()), strict=True)
            return index + 1, *(array.write(index, value) for array, value in each)

        with tf.device("/CPU:0"):
            arrays = [tf.TensorArray(spec.dtype, count, element_shape=spec.shape) for spec in specs]
            _, *arrays = _repeated(count, draw, *arrays)
            stacks = [array.stack() for array in arrays]
        with tf.device(self._device):
            return [tf.identity(stack) for stack in stacks]

    def _next(self, iterator: Any, found: Any, index: tf.Tensor) -> Any:
        if self._tables is None:
            return iterator.get_next()
        return tf.nest.pack_sequence_as(iterator.element_spec, [each[index] for each in found])


class ReplicaCalls(Calls):
    """Calls on all replicas.

    With several processes a call is one step, after which they tell each other whether to stop.
    """

    def __init__(
        self,
        model: GenerativeModel,
        options: TrainingOptions,
        dataset: ImageDataset,
        order: Order,
        worker: Worker,
    ) -> None:
        """As `DeviceCalls`."""

        def batches(part: Part) -> tf.data.Dataset:
            return dataset.batches(**vars(replace(order, part=part)))

        self.takes_several = worker.part.of == 1
        self._strategy = worker.strategy
        super().__init__(model, options, iter(worker.distribute(batches)))

    def _update(self) -> Callable[[Any], Metrics]:
        strategy, update = self._strategy, self.model.train_step
        # Neither XLA nor a nested function can add up the gradients of several replicas.
        if strategy.num_replicas_in_sync == 1:
            update = compiled_step(self.model, self.options)

        def mean_update(batch: Any) -> Metrics:
            metrics = strategy.run(update, args=(batch,))
            mean = tf.distribute.ReduceOp.MEAN
            return {name: strategy.reduce(mean, metrics[name], axis=None) for name in metrics}

        return mean_update

    def _stops(self, stop: tf.Tensor) -> tf.Tensor:
        each = self._strategy.run(lambda: tf.cast(stop, tf.float32))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)


def _tables(source: Source, device: str, share: float) -> tuple[tf.Tensor, ...] | None:
    """Returns the tables of a source on a device.

    None: there are none, or they need more than this share of the device's free memory.
    """
    if not source.in_memory:
        return None
    if "GPU" not in device:
        return source.tables
    needed = sum(table.shape.num_elements() * table.dtype.size for table in source.tables)
    used = tf.config.experimental.get_memory_info(device.removeprefix("/device:"))["current"]
    if needed > share * (available()[0] - used):
        return None
    with tf.device(device):
        return tuple(tf.identity(table) for table in source.tables)


def _timed(function: Callable[[], Any]) -> tuple[Any, tf.Tensor]:
    """Returns the tensors that a function computes, and how many seconds it takes."""
    with tf.device("/CPU:0"):
        started = tf.timestamp()
    with tf.control_dependencies([started]):
        result = function()
    tensors = tf.nest.flatten(result, expand_composites=True)
    with tf.control_dependencies(tensors), tf.device("/CPU:0"):
        return result, tf.timestamp() - started


def _repeated(count: tf.Tensor, body: Callable[..., Any], *state: Any) -> Any:
    """Calls `body(index, *state)` `count` times; each call begins when the one before has ended."""
    first = (tf.constant(0), *state)
    return tf.while_loop(lambda index, *state: index < count, body, first, parallel_iterations=1)
