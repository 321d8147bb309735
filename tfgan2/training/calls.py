"""Compiled calls that train: several steps on one device, or one step on all replicas."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfgan2.data.dataset import Order, Part, Source, endless, parts, scaled, whole
from tfgan2.distributed.strategies import Worker
from tfgan2.kernels import compiled_update
from tfgan2.options import TrainingOptions

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.models.base import GenerativeModel

_STOP = "_stop"


@dataclass(frozen=True)
class Call:
    """What a call did.

    Attributes:
        metrics: those of each step that it trained.
        input_seconds: time that it waited for images.
        compiled: whether it had to compile the step first.
        stop: whether a signal has asked any worker to stop, and whether a callback has.
    """

    metrics: list[dict[str, float]]
    input_seconds: float
    compiled: bool
    stop: tuple[bool, bool]


Stop = tuple[bool, bool]
"""Whether this worker is to stop, because of a signal, because of a callback."""


class DeviceCalls:
    """Calls of any number of steps on one device: a loop of TensorFlow around the compiled step.

    Within XLA, convolutions in a loop are 15 times as slow on a CPU. Samples that lie in memory are
    found within the loop. The weights do not depend on the number of steps in a call.
    """

    takes_several = True

    def __init__(
        self, model: GenerativeModel, dataset: ImageDataset, options: TrainingOptions, step: int
    ) -> None:
        """Begins with the samples that follow `step` steps."""
        self.model, self.options = model, options
        self._functions: dict[str, Callable[[Any, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]] = {}
        self._names: dict[str, list[str]] = {}
        gpus = tf.config.list_logical_devices("GPU")
        self._device = gpus[0].name if gpus else "/CPU:0"
        assert options.batch_size is not None
        size = options.batch_size * model.batches_per_step
        source, order = dataset.source, Order(size, options.seed, step * size)
        tables = _tables(source, self._device, options.device_share)
        self._looks_up = tables is not None
        pipeline = endless(source.drawn(order) if self._looks_up else source.batches(order))
        if gpus and not self._looks_up:
            pipeline = pipeline.apply(tf.data.experimental.prefetch_to_device(self._device, 2))
        self._iterator = iter(pipeline)

        def prepared(tables: Any, *drawn: Any) -> Any:
            batch = whole(drawn)
            return scaled(batch if tables is None else source.look_up(tables, batch))

        compiled = tf.function(prepared, jit_compile=options.xla, autograph=False)
        self._prepared = lambda drawn: compiled(tables, *parts(drawn))

    def train(self, count: int, stop: Stop) -> Call:
        """Trains `count` steps. If data cannot be read, the steps before that are done."""
        phase = self.model.phase
        new = phase not in self._functions
        if new:
            self._functions[phase] = self._compiled(self._names.setdefault(phase, []))
        waited, values = self._functions[phase](self._iterator, tf.constant(count))
        metrics = [
            dict(zip(self._names[phase], row, strict=True)) for row in values.numpy().tolist()
        ]
        return Call(metrics, float(waited), new, stop)

    def _compiled(self, names: list[str]) -> Any:
        """Compiles the present phase; `names` receives the names of its metrics.

        The function returns the seconds of waiting, and the metrics, shape (steps, names).
        """
        options = self.options
        update = compiled_update(self.model, xla=options.xla, fast_convolutions=options.winograd)

        @tf.function(autograph=False)
        def train(iterator: Any, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            draws, waiting = None, tf.constant(0.0, tf.float64)
            if self._looks_up:
                draws, waiting = _timed(lambda: self._drawn(iterator, count))

            def step(index: tf.Tensor, waiting: tf.Tensor, rows: tf.TensorArray) -> Any:
                if draws is None:
                    drawn, seconds = _timed(iterator.get_next)
                    waiting += seconds
                else:
                    each = [draw[index] for draw in draws]
                    drawn = tf.nest.pack_sequence_as(iterator.element_spec, each)
                metrics = update(self._prepared(drawn))
                names[:] = metrics
                return index + 1, waiting, rows.write(index, tf.stack(list(metrics.values())))

            rows = tf.TensorArray(tf.float32, count)
            _, waiting, rows = _repeated(count, step, waiting, rows)
            return waiting, rows.stack()

        return train

    def _drawn(self, iterator: Any, count: tf.Tensor) -> list[tf.Tensor]:
        """Returns what the iterator draws for `count` steps: one transfer to the device in all."""
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


def _timed(function: Callable[[], Any]) -> tuple[Any, tf.Tensor]:
    """Returns the tensors that a function computes, and how many seconds it takes."""
    with tf.device("/CPU:0"):
        started = tf.timestamp()
        with tf.control_dependencies([started]):
            result = function()
        with tf.control_dependencies(tf.nest.flatten(result)):
            return result, tf.timestamp() - started


def _repeated(count: tf.Tensor, body: Callable[..., Any], *state: Any) -> Any:
    """Calls `body(index, *state)` `count` times; each call begins when the one before has ended."""
    first = (tf.constant(0), *state)
    return tf.while_loop(lambda index, *state: index < count, body, first, parallel_iterations=1)


def _tables(source: Source, device: str, share: float) -> tuple[tf.Tensor, ...] | None:
    """Returns the tables of a source on a device.

    None: there are none, or they need more than this share of the device's free memory.
    """
    if not source.in_memory:
        return None
    if "GPU" not in device:
        return source.tables
    from tensorflow.python.client import device_lib  # the only way to the limit

    limits = {each.name: each.memory_limit for each in device_lib.list_local_devices()}
    used = tf.config.experimental.get_memory_info(device.removeprefix("/device:"))["current"]
    needed = sum(table.shape.num_elements() * table.dtype.size for table in source.tables)
    if needed > share * (limits[device] - used):
        return None
    with tf.device(device):
        return tuple(tf.identity(table) for table in source.tables)


class ReplicaCalls:
    """Calls of one step on all replicas; TensorFlow compiles no loop around a step of several."""

    takes_several = False

    def __init__(
        self,
        model: GenerativeModel,
        dataset: ImageDataset,
        options: TrainingOptions,
        step: int,
        worker: Worker,
    ) -> None:
        """Begins with the samples that follow `step` steps."""
        self.model, self.options, self.worker = model, options, worker
        self._functions: dict[str, Any] = {}
        assert options.batch_size is not None
        size = options.batch_size * model.batches_per_step

        def batches(part: Part) -> tf.data.Dataset:
            return dataset.batches(size, part=part, seed=options.seed, start=step * size)

        self._iterator = iter(worker.distribute(batches))

    def train(self, count: int, stop: Stop) -> Call:
        """Trains one step, and asks all workers whether they are to stop after it."""
        started = time.perf_counter()
        batch = next(self._iterator)
        waited = time.perf_counter() - started
        phase = self.model.phase
        new = phase not in self._functions
        if new:
            self._functions[phase] = self._compiled()
        metrics = self._functions[phase](batch, tf.constant(stop))
        by_signal, by_callback = metrics.pop(_STOP).numpy() > 0
        values = {name: float(value) for name, value in metrics.items()}
        return Call([values], waited, new, (bool(by_signal), bool(by_callback)))

    def _compiled(self) -> Any:
        """Compiles a step of the present phase; it returns means over all replicas."""
        strategy, options = self.worker.strategy, self.options
        update = self.model.train_step
        # Neither XLA nor a nested function can add up the gradients of several replicas.
        if self.worker.replicas == 1:
            winograd = options.winograd
            update = compiled_update(self.model, xla=options.xla, fast_convolutions=winograd)

        def update_and_stop(batch: Any, stop: tf.Tensor) -> dict[str, tf.Tensor]:
            return {**update(batch), _STOP: tf.cast(stop, tf.float32)}

        @tf.function(autograph=False)
        def step(batch: Any, stop: tf.Tensor) -> dict[str, tf.Tensor]:
            metrics = strategy.run(update_and_stop, args=(batch, stop))
            return {
                name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
                for name, value in metrics.items()
            }

        return step
