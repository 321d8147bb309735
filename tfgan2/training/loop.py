"""The training loop: it takes batches, runs the compiled step and calls the callbacks."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfgan2.distributed.strategies import LOST_WORKER_ERRORS, Worker
from tfgan2.errors import UserError
from tfgan2.kernels import compiled_update
from tfgan2.options import TrainingOptions
from tfgan2.training.interruption import noticed

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.data.dataset import Part
    from tfgan2.models.base import GenerativeModel

_STOP = "_stop"


class Loop:
    """Trains a model from its current step to the last one; `step` is the number of steps done."""

    def __init__(
        self,
        model: GenerativeModel,
        dataset: ImageDataset,
        worker: Worker,
        options: TrainingOptions,
    ) -> None:
        """Takes a compiled model; if it is restored later, set `step`, too."""
        assert options.batch_size is not None
        self.model = model
        self.dataset = dataset
        self.worker = worker
        self.options = options
        self.images_per_step = options.batch_size * model.batches_per_step
        self.alone = worker.part.of == 1
        self.step = int(model.step.numpy())
        self._step_functions: dict[str, Any] = {}

    def run(self, callbacks: Sequence[keras.callbacks.Callback]) -> int | None:
        """Trains until all steps are done, a signal comes or a callback sets `stop_training`.

        The callbacks see one epoch, and as `batch` the index of the step in it. Returns the number
        of the signal that stopped the training, or None.

        Raises:
            UserError: data can no longer be read; in a single process all is saved.
            WorkerLostError: another process is gone.
        """
        model, steps = self.model, self.options.steps
        model.stop_training = False
        called = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=1, steps=steps)
        with contextlib.ExitStack() as stack:
            for callback in callbacks:
                stack.callback(getattr(callback, "close", lambda: None))
            signals = stack.enter_context(noticed())
            called.on_train_begin()
            called.on_epoch_begin(0)
            by_signal, logs = self._train(called, signals)
            called.on_epoch_end(0, logs)
            called.on_train_end(logs)
        if self.step >= steps:  # a signal came too late to matter
            return None
        # Without a signal of its own, this process stops because another worker got one.
        return signals[-1] if signals else (signal.SIGTERM if by_signal else None)

    def _train(
        self, called: keras.callbacks.CallbackList, signals: list[int]
    ) -> tuple[bool, dict[str, float]]:
        """Returns whether a signal stopped the training, and the metrics of the last step."""
        model, functions = self.model, self._step_functions
        iterator = iter(self.worker.distribute(self._batches))
        logs: dict[str, float] = {}
        by_signal = stopped = requested = False
        while self.step < self.options.steps and not stopped:
            started = time.perf_counter()
            with self._data_errors(called, logs):
                batch = next(iterator)
            waited = time.perf_counter() - started
            phase = model.phase = model.phase_at(self.step)
            begin = {"input_seconds": waited, "compiles": float(phase not in functions)}
            called.on_train_batch_begin(self.step, begin)
            if phase not in functions:
                functions[phase] = self._step_function()
            metrics = functions[phase](batch, tf.constant([bool(signals), requested]))
            # Any worker may have been asked to stop: all stop after the same step.
            by_signal, by_callback = metrics.pop(_STOP).numpy() > 0
            logs = {name: float(value) for name, value in metrics.items()}
            self.step += 1
            if self.alone:
                by_signal = bool(signals)  # it came during the step
            stopped = model.stop_training = bool(by_signal or by_callback)
            with self._data_errors(called, logs):
                called.on_train_batch_end(self.step - 1, logs)
            # A callback may stop the training; other workers learn of it in the next step.
            requested = model.stop_training
            stopped = stopped or (self.alone and requested)
        return by_signal, logs

    def _batches(self, part: Part) -> tf.data.Dataset:
        size, seed = self.images_per_step, self.options.seed
        return self.dataset.batches(size, part=part, seed=seed, start=self.step * size)

    def _step_function(self) -> Any:
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

    @contextlib.contextmanager
    def _data_errors(
        self, called: keras.callbacks.CallbackList, logs: dict[str, float]
    ) -> Iterator[None]:
        """Saves and raises a UserError if data can no longer be read in the block."""
        try:
            yield
        except tf.errors.OpError as error:  # a file vanished or broke since it was checked
            if not self.alone and isinstance(error, LOST_WORKER_ERRORS):
                raise
            saved = self.step > 0 and self.alone
            if saved:
                called.on_train_end(logs)
            # TensorFlow wraps the message of the Python code that failed in its own words.
            cause = error.message.strip().splitlines()[0].rpartition("UserError: ")[2]
            where = f"after step {self.step}{', which is saved' if saved else ''}"
            raise UserError(f"{where}, no more data could be read: {cause}") from error
