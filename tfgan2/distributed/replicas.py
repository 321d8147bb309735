"""What the replicas of a model exchange within a step, and its micro-batches.

All replicas must call each function. With one replica, or outside a strategy's step, its share is
the whole batch. Of several micro-batches each has a share of its own, see
`tfgan2.distributed.microbatches`. Gradients pass through all functions; of several micro-batches
they do not pass through `mean` and `std`, and through `gathered` they are those of a loss that is
the same on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgan2.distributed import microbatches


def _context() -> tf.distribute.ReplicaContext | None:
    """Returns the context of this replica, or None if there are no others."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def count() -> int:
    """Returns the number of replicas."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def agree(value: Any) -> bool:
    """Returns whether all replicas of this process give the same Python value; computes nothing."""
    context = _context()
    if context is None:
        return True

    def same(strategy: tf.distribute.Strategy, values: Any) -> bool:
        return len(set(strategy.experimental_local_results(values))) == 1

    return context.merge_call(same, args=(value,))


def shares() -> int:
    """Returns the number of shares of a batch: micro-batches of all replicas."""
    micro_batch = microbatches.current()
    return count() * (1 if micro_batch is None else micro_batch.count)


def mean(values: Any) -> Any:
    """Returns the elementwise mean over the replicas of a tensor, or of each of a list."""

    def over_replicas(values: Any, owns: Any = None) -> Any:
        context = _context()
        if context is None:
            return values
        # A variable must be read here: with several workers it would be read on no device.
        values = tf.nest.map_structure(tf.identity, values)
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)

    return microbatches.exchange(lambda: (values, None), over_replicas)[0]


def std(values: tf.Tensor) -> tf.Tensor:
    """Returns the standard deviation of all elements of all replicas, a scalar."""
    if shares() == 1:
        return tf.math.reduce_std(values)
    own = tf.reduce_mean(values)
    center = mean(own)
    variance = tf.math.reduce_variance(values) + (own - center) ** 2
    return tf.sqrt(mean(variance))


def summing_first(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns the optimizer, changed to sum gradients over the replicas before it uses them.

    Keras sums them last: it clips the gradients of each replica separately, and its loss scale
    checks only those of the first for overflow. Call this in the strategy's scope.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync == 1 or "apply" in vars(optimizer):
        return optimizer
    plain = optimizer.apply

    def apply(gradients: list[Any], variables: Any = None) -> Any:
        present = [gradient for gradient in gradients if gradient is not None]
        context = tf.distribute.get_replica_context()
        sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present) if present else [])
        return plain([None if each is None else next(sums) for each in gradients], variables)

    optimizer.apply = apply
    updating = getattr(optimizer, "inner_optimizer", optimizer)
    updating._all_reduce_sum_gradients = lambda pairs: pairs
    return optimizer


def gathered(share: tf.Tensor) -> tf.Tensor:
    """Returns the batch, (B, ...), of which each replica has an equal share, (B / n, ...)."""

    def of_replicas(_: Any, shares: Sequence[tf.Tensor]) -> tf.Tensor:
        context, share = _context(), shares[0] if len(shares) == 1 else tf.concat(shares, axis=0)
        # With several workers a batch is on no device.
        return share if context is None else context.all_gather(tf.identity(share), axis=0)

    batch, _ = microbatches.exchange(lambda: (None, share), of_replicas)
    if microbatches.current() is None:
        return batch
    # The loss of every share has the gradients of them all; each passes on those of its own.
    passing = share - tf.stop_gradient(share)
    mine = tf.one_hot(_position(), shares(), dtype=share.dtype) * shares()
    rows = tf.tensordot(mine, passing, axes=0)
    return batch + tf.reshape(rows, tf.shape(batch))


def own_share(batch: tf.Tensor) -> tf.Tensor:
    """Returns this replica's share of a batch; the inverse of `gathered`."""
    if shares() == 1:
        return batch
    size = tf.shape(batch)[0] // shares()
    first = _position() * size
    return batch[first : first + size]


def _position() -> Any:
    """Returns the index of this share among all shares."""
    context, micro_batch = _context(), microbatches.current()
    replica = 0 if context is None else context.replica_id_in_sync_group
    return replica if micro_batch is None else replica * micro_batch.count + micro_batch.index
