"""What the replicas of a model exchange within a step; gradients pass through all of it.

All replicas must call each function. With one replica, or outside a strategy's step, its share is
the whole batch.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


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


def mean(values: tf.Tensor) -> tf.Tensor:
    """Returns the elementwise mean over the replicas."""
    context = _context()
    if context is None:
        return values
    # A variable must be read here: with several workers it would be read on no device.
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.identity(values))


def std(values: tf.Tensor) -> tf.Tensor:
    """Returns the standard deviation of all elements of all replicas, a scalar."""
    if _context() is None:
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
    context = _context()
    return share if context is None else context.all_gather(share, axis=0)


def own_share(batch: tf.Tensor) -> tf.Tensor:
    """Returns this replica's share of a batch; the inverse of `gathered`."""
    context = _context()
    if context is None:
        return batch
    size = tf.shape(batch)[0] // context.num_replicas_in_sync
    first = context.replica_id_in_sync_group * size
    return batch[first : first + size]
