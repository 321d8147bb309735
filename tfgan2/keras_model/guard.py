"""Steps on batches that do not divide among updates, packs and replicas."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfgan2.distributed import microbatches, replicas
from tfgan2.keras_model.batches import check_parts, float32, parts_of, too_small

Step = Callable[[Any, Any], dict[str, tf.Tensor]]
_local = threading.local()  # each replica has a thread of its own


def on_whole_batches(step: Step) -> Step:
    """Makes a `train_step` check its batch, and leave out what does not divide.

    Of a batch of known size nothing is computed. A batch that is too small is skipped: its metrics
    are 0; the first one of all is a UserError. On several replicas all take as many samples as the
    one with the fewest; if these are too few, the step has a weight of 0.
    """

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(step)
    def train_step(model: keras.Model, batch: Any) -> dict[str, tf.Tensor]:
        # A subclass's step calls that of its base, and a step on micro-batches that on each.
        if getattr(_local, "in_step", False) or microbatches.current() is not None:
            return step(model, batch)
        parts = parts_of(batch)
        check_parts(model, parts)
        parts = tuple(float32(part) for part in parts)
        count, several = parts[0].shape[0], replicas.count()
        if count is None and model.share:
            parts = tuple(tf.ensure_shape(p, (model.share, *p.shape[1:])) for p in parts)
            count = model.share
        least = max(model.batch_multiple, -(-model.fewest_samples // several))
        if several > 1 and (count is None or not replicas.agree(count) or count < least):
            return _weighted(model, parts, least, step)
        if count is None:
            count = tf.shape(parts[0])[0]
            kept = count - count % model.batch_multiple
            rows = tuple(part[:kept] for part in parts)
            return tf.cond(kept >= least, lambda: _run(model, rows, step), lambda: _skipped(model))
        kept = count - count % model.batch_multiple
        if kept >= least:
            cut = parts if kept == count else tuple(part[:kept] for part in parts)
            return _run(model, cut, step)
        if not model.reported:
            raise too_small(model, count, least)
        return _skipped(model)

    return train_step


def _run(model: keras.Model, parts: tuple[Any, ...], step: Step) -> dict[str, tf.Tensor]:
    _local.in_step = True
    # At the end of Keras' data, counters that need no data would move nevertheless.
    wait = tf.control_dependencies(parts) if model.share else contextlib.nullcontext()
    try:
        with wait:
            batch = parts if len(parts) > 1 else parts[0]
            several = model.accumulate > 1
            metrics = model.compiled_step()(batch) if several else step(model, batch)
    finally:
        _local.in_step = False
    model.reported = tuple(metrics)
    return metrics


def _skipped(model: keras.Model) -> dict[str, tf.Tensor]:
    return {name: tf.zeros(()) for name in model.reported}


def _weighted(
    model: keras.Model, parts: tuple[Any, ...], least: int, step: Step
) -> dict[str, tf.Tensor]:
    """A step of a replica whose share may be too small; replicas cannot skip one."""
    count = tf.reduce_min(replicas.gathered(tf.shape(parts[0])[:1]))
    kept = count - count % model.batch_multiple
    enough = kept >= least
    kept, missing = (tf.where(enough, a, b) for a, b in ((kept, 0), (0, least)))
    filled = []
    for part in parts:
        blank = tf.zeros(tf.concat([[missing], tf.shape(part)[1:]], 0), part.dtype)
        filled.append(tf.concat([part[:kept], blank], 0))
    _local.weight = weight = tf.cast(enough, tf.float32)
    try:
        metrics = _run(model, tuple(filled), step)
    finally:
        _local.weight = None
    return {name: value * weight for name, value in metrics.items()}


def weighted(loss: tf.Tensor) -> tf.Tensor:
    """The loss of a replica; 0 in a step whose batch is too small."""
    weight = getattr(_local, "weight", None)
    return loss if weight is None else loss * weight
