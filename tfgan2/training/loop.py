"""The training loop: it trains call by call, and calls the callbacks."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfgan2.data.dataset import Order
from tfgan2.distributed.strategies import LOST_WORKER_ERRORS, Worker
from tfgan2.errors import UserError, cause_of
from tfgan2.options import TrainingOptions
from tfgan2.training.callbacks import Checkpoints, StepCallback
from tfgan2.training.calls import Call, DeviceCalls, ReplicaCalls
from tfgan2.training.interruption import noticed

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.models.base import GenerativeModel

_CALL_SECONDS = 0.2
"""Time of a call of several steps; signals are answered, and progress is shown, after it."""


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
        self.model = model
        self.dataset = dataset
        self.worker = worker
        self.options = options
        self.alone = worker.part.of == 1
        self.step = int(model.step.numpy())

    def run(self, callbacks: Sequence[keras.callbacks.Callback]) -> int | None:
        """Trains until all steps are done, a signal comes or a callback sets `stop_training`.

        The callbacks see one epoch, and as `batch` the index of the step in it: before a call that
        of its first step, after it that of its last. Returns the number of the signal that stopped
        the training, or None.

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
            by_signal, logs = self._train(called, callbacks, signals)
            called.on_epoch_end(0, logs)
            try:
                called.on_train_end(logs)
            except Exception:  # of a callback that comes before the one that saves
                for callback in callbacks:
                    if isinstance(callback, Checkpoints):
                        callback.on_train_end(logs)
                raise
        if self.step >= steps:  # a signal came too late to matter
            return None
        # Without a signal of its own, this process stops because another worker got one.
        return signals[-1] if signals else (signal.SIGTERM if by_signal else None)

    def _train(
        self,
        called: keras.callbacks.CallbackList,
        callbacks: Sequence[keras.callbacks.Callback],
        signals: list[int],
    ) -> tuple[bool, dict[str, float]]:
        """Returns whether a signal stopped the training, and the metrics of the last step."""
        model = self.model
        calls = self._calls()
        lengths = _Lengths(self.options, callbacks, several=calls.takes_several)
        logs: dict[str, float] = {}
        by_signal = stopped = requested = False
        while self.step < self.options.steps and not stopped:
            model.phase = model.phase_at(self.step)
            count = lengths.next(model, self.step)
            called.on_train_batch_begin(self.step)
            with self._data_errors():
                call = calls.train(count, (bool(signals), requested))
            lengths.measured(call)
            logs = call.metrics[-1]
            self.step += len(call.metrics)
            # Any worker may have been asked to stop: all stop after the same step.
            by_signal, by_callback = call.stop
            if self.alone:
                by_signal = bool(signals)  # it came during the call
            stopped = model.stop_training = by_signal or by_callback
            for callback in callbacks:
                if isinstance(callback, StepCallback):
                    callback.call = call
            with self._data_errors(called, logs):  # a callback may read images, too
                called.on_train_batch_end(self.step - 1, logs)
            # A callback may stop the training, or a signal come while it acts; other workers learn
            # of it in the next step.
            requested = model.stop_training
            by_signal = by_signal or (self.alone and bool(signals))
            stopped = stopped or by_signal or (self.alone and requested)
        return by_signal, logs

    def _calls(self) -> DeviceCalls | ReplicaCalls:
        options, size = self.options, self.model.batches_per_step
        size *= options.batch_size or 1
        order = Order(size, options.seed, self.step * size, balance=self.dataset.balance)
        about = self.model, options, self.dataset, order
        if self.worker.has_strategy:
            return ReplicaCalls(*about, self.worker)
        return DeviceCalls(*about)

    @contextlib.contextmanager
    def _data_errors(
        self, called: keras.callbacks.CallbackList | None = None, logs: Any = None
    ) -> Iterator[None]:
        """Raises a UserError if data can no longer be read in the block.

        With callbacks, the run is saved before. Within a call of steps it cannot be: TensorFlow may
        have made those changes of the failing step that do not depend on its batch.
        """
        try:
            yield
        except tf.errors.OpError as error:  # a file vanished or broke since it was checked
            lost = not self.alone and isinstance(error, LOST_WORKER_ERRORS)
            if lost or "iterator" not in error.message.lower():
                raise
            where, advice = (
                f"after step {self.step}",
                ": --resume uses the newest checkpoint, if any",
            )
            if called is not None and self.alone:
                called.on_train_end(logs)
                where, advice = f"{where}, which is saved", ""
            raise UserError(
                f"{where}, no more data could be read: {cause_of(error.message)}{advice}"
            ) from error


class _Lengths:
    """Chooses the number of steps of each call.

    A call ends where a callback is to act, where a phase ends, and at the last step.
    """

    def __init__(
        self,
        options: TrainingOptions,
        callbacks: Sequence[keras.callbacks.Callback],
        *,
        several: bool,
    ) -> None:
        self.steps = options.steps
        self.periods = {each.every for each in callbacks if isinstance(each, StepCallback)} - {0}
        self.is_fixed = options.steps_per_call != "auto"
        self.most = int(options.steps_per_call) if self.is_fixed else 1
        if not several or (not self.is_fixed and any(map(_wants_every_step, callbacks))):
            self.is_fixed, self.most = True, 1

    def next(self, model: GenerativeModel, step: int) -> int:
        """Returns the number of steps of the call that begins after `step` steps."""
        ends = [self.steps, *(step - step % every + every for every in self.periods)]
        most = min(min(ends) - step, self.most)
        changes = (n for n in range(1, most) if model.phase_at(step + n) != model.phase)
        return next(changes, most)

    def measured(self, call: Call) -> None:
        """Takes the time of a call."""
        if not (self.is_fixed or call.compiled):
            self.most = max(1, int(_CALL_SECONDS * len(call.metrics) / call.seconds))


def _wants_every_step(callback: keras.callbacks.Callback) -> bool:
    """Returns whether a callback that knows no calls of several steps acts after each batch."""
    kind, base = type(callback), keras.callbacks.Callback
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    return not isinstance(callback, StepCallback) and any(
        getattr(kind, hook) is not getattr(base, hook) for hook in hooks
    )
