"""Which devices and workers train, and which part of each batch they get."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from tfgan2.data.dataset import WHOLE, Part
from tfgan2.distributed.cluster import Cluster, find_cluster, killed_after, meet
from tfgan2.errors import UserError, WorkerLostError, cause_of

LOST_WORKER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.DeadlineExceededError,  # a machine without power or network
)
"""Errors that TensorFlow raises once another worker is lost."""
_CONNECT = 55.0
"""Seconds that TensorFlow gets to connect workers that are all present; it would wait an hour."""


@dataclass(frozen=True)
class Worker:
    """One of the processes that train together; by default the only one, with one device.

    Attributes:
        strategy: the strategy of all workers.
        part: part of each batch that this worker's devices get.
    """

    strategy: tf.distribute.Strategy
    part: Part = WHOLE

    @classmethod
    def start(cls, strategy: str, say: Callable[[str], None] = print) -> Worker:
        """Returns this process, connected to the others. Call this before TensorFlow computes.

        Args:
            strategy: "none" for one device, "mirrored" for all devices of this machine,
                "multiworker" for the workers in `TF_CONFIG`, or "auto" for the last of these that
                applies.
            say: prints a line; called with the workers that are missing.

        Raises:
            UserError: "mirrored" with one device, or "multiworker" without `TF_CONFIG`.
            WorkerLostError: a worker is missing.
        """
        alone = cls(tf.distribute.get_strategy())
        cluster = find_cluster(strategy)
        if cluster is not None:
            worker = replace(alone, part=Part(cluster.index, len(cluster.workers)))
            return replace(worker, strategy=worker._connected(cluster, say))
        devices = tf.config.list_logical_devices("GPU")
        if strategy == "mirrored":
            devices = devices or tf.config.list_logical_devices("CPU")
            if len(devices) < 2:
                raise UserError(
                    "--strategy mirrored needs several devices, but there is one "
                    f"{devices[0].device_type}: give --strategy auto"
                )
        if len(devices) < 2 or strategy == "none":
            return alone
        return cls(tf.distribute.MirroredStrategy([device.name for device in devices]))

    def _connected(self, cluster: Cluster, say: Callable[[str], None]) -> tf.distribute.Strategy:
        handler = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
        with contextlib.ExitStack() as stack:
            if self.part.of > 1:
                tf.config.list_physical_devices()  # slow on some machines: before the rendezvous
                meet(cluster, say)
                when = "before the first step, or does not answer; start all workers again"
                stack.enter_context(killed_after(_CONNECT, f"another worker was lost {when}"))
                stack.enter_context(self.detecting_lost_workers(lambda: when))
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # TensorFlow's own does not exit
        return strategy

    @property
    def chief(self) -> bool:
        """Whether this worker writes files."""
        return self.part.index == 0

    @property
    def has_strategy(self) -> bool:
        """Whether a strategy divides the work; else one device does it."""
        return self.strategy is not tf.distribute.get_strategy()

    @property
    def replicas(self) -> int:
        """Number of devices of all workers."""
        return self.strategy.num_replicas_in_sync

    @contextlib.contextmanager
    def detecting_lost_workers(self, when: Callable[[], str]) -> Iterator[None]:
        """Turns TensorFlow's errors about another worker that is lost into a WorkerLostError.

        `when` returns when the worker was lost, and what to do.
        """
        try:
            yield
        except LOST_WORKER_ERRORS as error:
            if self.part.of == 1:
                raise
            cause = cause_of(error.message)
            raise WorkerLostError(f"another worker was lost {when()} ({cause[:120]})") from error

    def check_batch_size(self, batch_size: int) -> None:
        """Raises a UserError unless all replicas get equally many samples."""
        if batch_size % self.replicas:
            lower = batch_size - batch_size % self.replicas
            raise UserError(
                f"a batch of {batch_size} images cannot be divided among {self.replicas} devices",
                f": give --batch-size {lower or self.replicas}, a multiple of {self.replicas}",
            )

    def agree_on(self, *numbers: int) -> list[bool]:
        """Returns for each number whether all workers give the same; all must call this."""
        if self.part.of == 1:
            return [True] * len(numbers)

        @tf.function(autograph=False)
        def total(values: tf.Tensor) -> tf.Tensor:
            each = self.strategy.run(lambda: tf.identity(values))
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)

        own = tf.constant(numbers, tf.float64)
        return (total(own) == own * self.replicas).numpy().tolist()

    def distribute(self, batches: Callable[[Part], tf.data.Dataset]) -> Any:
        """Returns an iterable of batches for `Strategy.run`, divided among the replicas.

        `batches` returns those of one worker, of a static size that its devices can share.
        """
        if self.replicas == 1:
            return batches(self.part)

        def shares(context: tf.distribute.InputContext) -> tf.data.Dataset:
            whole = batches(self.part)
            devices = self.replicas // self.part.of
            size = tf.nest.flatten(whole.element_spec)[0].shape[0] // devices
            # Each device takes the next share in turn. If the dataset were not declared infinite,
            # the workers would ask each other before every step whether there is more.
            infinite = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            each = whole.rebatch(size, drop_remainder=True)
            return each.apply(infinite).prefetch(2 * devices)

        return self.strategy.distribute_datasets_from_function(shares)
