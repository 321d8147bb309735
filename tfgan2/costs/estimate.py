"""Estimates the time of a training from its graph and the speed of this machine; trains nothing."""

from __future__ import annotations

import timeit
from collections.abc import Callable

import tensorflow as tf

from tfgan2.costs.graph import Work
from tfgan2.costs.model import count_phases
from tfgan2.models.base import GenerativeModel

# Fitted to the measured steps in docs/results/costs.md: estimates are 0.7 to 1.5 times as long.
_SHARE_OF_PEAK = 0.8
"""Fraction of the speed of a large matrix multiplication that convolutions reach."""
_FUSED = 0.5
"""Fraction of the bytes written by the graph's ops that XLA writes."""
_LAUNCH = 4e-5
"""Seconds that a GPU needs besides for each matrix multiplication or convolution."""
_MATRIX_SIZE, _VECTOR_SIZE = 2048, 2**24


def training_seconds(model: GenerativeModel, specs: tuple[tf.TensorSpec, ...], steps: int) -> float:
    """Estimates the seconds of so many steps of a compiled and planned model on one device.

    Args:
        model: of the precision that it trains in.
        specs: shapes and types of the batch of a step.

    Raises:
        UserError: the step cannot be counted, for example because it holds a loop.
    """
    total = Work()
    for _, share, work in count_phases(model, specs):
        total.add(work, share)
    computing = total.flops / (_SHARE_OF_PEAK * peak_flops(model.dtype_policy.compute_dtype))
    moving = _FUSED * total.written_bytes / _bytes_per_second()
    return steps * (computing + moving + _LAUNCH * total.matrix_ops)


def peak_flops(dtype: str = "float32") -> float:
    """FLOPs per second of a large matrix multiplication on the device that trains."""
    matrix = tf.cast(tf.random.stateless_uniform((_MATRIX_SIZE, _MATRIX_SIZE), (0, 0)), dtype)
    return 2 * _MATRIX_SIZE**3 / _seconds(lambda: tf.matmul(matrix, matrix))


def _bytes_per_second() -> float:
    vector = tf.zeros(_VECTOR_SIZE)
    return 4 * _VECTOR_SIZE / _seconds(lambda: vector + 1.0)


def _seconds(compute: Callable[[], tf.Tensor]) -> float:
    """The shortest time of several calls after the first."""
    calls = timeit.repeat(lambda: tf.reshape(compute(), [-1])[0].numpy(), number=1, repeat=6)
    return min(calls[1:])


def in_words(seconds: float) -> str:
    """Formats an estimate, for example "about 18 minutes"."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"about {float(f'{seconds / size:.2g}'):g} {unit}"
    return f"about {float(f'{seconds:.2g}'):g} seconds"
