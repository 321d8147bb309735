"""Which devices and machines train, and what each of them is given."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfgan2.data.dataset import Part
from tfgan2.distributed.cluster import check_strategy, read_cluster
from tfgan2.distributed.rendezvous import ended_after, meet
from tfgan2.errors import UserError, WorkerLostError

GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.DeadlineExceededError,  # a machine without power: nothing is heard of it
)
"""What TensorFlow raises where another worker has gone."""
_TOGETHER = 55.0
"""Seconds that TensorFlow has to connect workers that have met; it would wait for an hour."""


def make_strategy(name: str, say: Callable[[str], None] = print) -> tf.distribute.Strategy:
    """The strategy for the devices that there are. To be called before TensorFlow computes.

    Args:
        name: "none": one device. "mirrored": all devices of this machine. "multiworker": those of
            all machines that `TF_CONFIG` names. "auto": the last one that makes sense.
        say: is told which other machines it waits for.

    Raises:
        UserError: there is one device only for "mirrored", or no `TF_CONFIG` for "multiworker".
        WorkerLostError: another machine did not come.
    """
    check_strategy(name)
    cluster = read_cluster(os.environ.get("TF_CONFIG"))
    several = cluster is not None and len(cluster.workers) > 1
    if name == "multiworker" or (name == "auto" and several):
        if cluster is None or not several:
            return _multiworker()
        tf.config.list_physical_devices()  # so that what is slow about them comes first
        meet(cluster, say)
        when = "before the first step, or does not answer; start all again"
        lost = f"another worker has gone {when}"
        with ended_after(_TOGETHER, lost), others_present(lambda: when):
            return _multiworker()
    devices = tf.config.list_logical_devices("GPU")
    if name == "mirrored":
        devices = devices or tf.config.list_logical_devices("CPU")
        if len(devices) < 2:
            raise UserError(
                f"--strategy mirrored needs several devices, here is one {devices[0].device_type}: "
                "give --strategy auto"
            )
    if name == "mirrored" or (name == "auto" and len(devices) > 1):
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def _multiworker() -> tf.distribute.Strategy:
    """A ring over TCP for CPUs, NCCL where there are GPUs."""
    before = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # TensorFlow only notes it


@contextlib.contextmanager
def others_present(when: Callable[[], str]) -> Iterator[None]:
    """Raises a WorkerLostError where another worker goes while all compute.

    Args:
        when: that was, and what to do then.
    """
    try:
        yield
    except GONE as error:
        raise WorkerLostError(f"another worker has gone {when()} ({_cause(error)})") from error


def _cause(error: tf.errors.OpError) -> str:
    """The line of an error's message that tells it, among where it was noticed."""
    around = ("Graph execution error", "Detected at", "File ", "The error could", "[[")
    lines = [line.strip() for line in error.message.splitlines()]
    return next((line for line in lines if line and not line.startswith(around)), "")[:120]


@dataclass(frozen=True)
class Worker:
    """Where this process stands among those that train.

    Attributes:
        strategy: of all.
        part: of each batch that its devices see.
    """

    strategy: tf.distribute.Strategy
    part: Part

    @classmethod
    def of(cls, strategy: tf.distribute.Strategy) -> Worker:
        """Of this process."""
        cluster = read_cluster(os.environ.get("TF_CONFIG"))
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        if cluster is None or not several:
            return cls(strategy, Part(0, 1))
        return cls(strategy, Part(cluster.index, len(cluster.workers)))

    @property
    def chief(self) -> bool:
        """Whether it is this process that writes."""
        return self.part.index == 0

    @property
    def replicas(self) -> int:
        """Devices of all processes together."""
        return self.strategy.num_replicas_in_sync

    def others_present(self, when: Callable[[], str]) -> contextlib.AbstractContextManager[None]:
        """As the function of this name, where there are others."""
        return others_present(when) if self.part.of > 1 else contextlib.nullcontext()

    def check_batch_size(self, batch_size: int) -> None:
        """Raises a UserError unless all replicas get equally many samples."""
        if batch_size % self.replicas:
            lower = batch_size - batch_size % self.replicas
            raise UserError(
                f"{self.replicas} devices cannot share a batch of {batch_size} images: give "
                f"--batch-size {lower or self.replicas}, a multiple of {self.replicas}"
            )

    def agree_on(self, number: int) -> bool:
        """Whether all processes come with this number; all must ask."""
        if self.part.of == 1:
            return True

        @tf.function(autograph=False)
        def total(value: tf.Tensor) -> tf.Tensor:
            each = self.strategy.run(lambda: tf.identity(value))
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)

        return int(total(tf.constant(float(number), tf.float64))) == number * self.replicas

    def distributed(self, batches: Callable[[Part], tf.data.Dataset]) -> Any:
        """Batches for `Strategy.run`, each replica's share of them.

        Args:
            batches: makes those of a part, whose static size the devices of a process can share.
        """
        if self.replicas == 1:
            return batches(self.part)
        devices = self.replicas // self.part.of

        def shares(context: tf.distribute.InputContext) -> tf.data.Dataset:
            def divided(*parts: tf.Tensor) -> tf.data.Dataset:
                shaped = [
                    tf.reshape(part, (devices, part.shape[0] // devices, *part.shape[1:]))
                    for part in parts
                ]
                return tf.data.Dataset.from_tensor_slices(
                    tuple(shaped) if len(shaped) > 1 else shaped[0]
                )

            # In turn: each device of this process takes the next. Said to be endless, or several
            # processes would ask each other before every step whether there is more.
            endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            return batches(self.part).flat_map(divided).apply(endless).prefetch(2 * devices)

        return self.strategy.distribute_datasets_from_function(shares)
