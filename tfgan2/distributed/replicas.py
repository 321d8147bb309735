"""What replicas of one model know of each other's share of a batch.

Every function here is to be called by all replicas; where there is one alone, its share is all.
Called outside of a strategy's step they do the same. Gradients pass.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def _context() -> tf.distribute.ReplicaContext | None:
    """Of a replica that has others beside it."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def count() -> int:
    """How many replicas train together."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def mean(values: tf.Tensor) -> tf.Tensor:
    """The mean of all replicas' values, element by element."""
    context = _context()
    if context is None:
        return values
    # Of a variable the value, read here: among several processes it would be read on no device.
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.identity(values))


def std(values: tf.Tensor) -> tf.Tensor:
    """The standard deviation of all elements of all replicas, a scalar."""
    if _context() is None:
        return tf.math.reduce_std(values)
    own = tf.reduce_mean(values)
    center = mean(own)
    variance = tf.math.reduce_variance(values) + (own - center) ** 2
    return tf.sqrt(mean(variance))


def summing_first(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer, adding up the gradients of all replicas before it looks at them.

    Keras' own adds them up last: each replica's are clipped by themselves, and a loss scale asks
    the first replica alone whether they are finite. To be called in the scope of the strategy.
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
    """The whole batch, shape (B, ...), of each replica's equal share, (B / n, ...), in order."""
    context = _context()
    return share if context is None else context.all_gather(share, axis=0)


def own_share(batch: tf.Tensor) -> tf.Tensor:
    """The inverse of `gathered`: what this replica has of a batch."""
    context = _context()
    if context is None:
        return batch
    size = tf.shape(batch)[0] // context.num_replicas_in_sync
    first = context.replica_id_in_sync_group * size
    return batch[first : first + size]
