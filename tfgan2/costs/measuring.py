"""Times training steps on this machine, on random data."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.costs.model import planned_phases
from tfgan2.inputs.words import FIRST
from tfgan2.kernels import compiled_update
from tfgan2.models.base import GenerativeModel

CLASSES, VOCABULARY, CAPTION_LENGTH = 10, 1000, 16
_MATRIX_SIZE = 2048


def random_data_facts(image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Returns what `GenerativeModel.data_hyperparameters` takes, for a dataset of any kind.

    Args:
        image_shape: (height, width, channels) of inputs and outputs.
    """
    vocabulary = tuple(f"word{number}" for number in range(VOCABULARY))
    return {
        "image_shape": image_shape,
        "input_shape": image_shape,
        "class_names": [str(number) for number in range(CLASSES)],
        "vocabulary": vocabulary,
        "caption_length": CAPTION_LENGTH,
        "captions": (" ".join(vocabulary[:CAPTION_LENGTH]),),
    }


def random_batch(model: GenerativeModel, batch_size: int) -> tuple[np.ndarray, ...]:
    """Returns noise with the shape of the samples that one step takes.

    Args:
        model: built for `random_data_facts`.
        batch_size: of one update.
    """
    rng = np.random.default_rng(0)
    count = batch_size * model.batches_per_step

    def images() -> np.ndarray:
        return rng.uniform(-1, 1, (count, *model.image_shape)).astype(np.float32)

    if model.data_kind in ("pairs", "unpaired"):
        return images(), images()
    if model.data_kind == "captions":
        last = FIRST + VOCABULARY
        return images(), rng.integers(FIRST, last, (count, CAPTION_LENGTH), dtype=np.int32)
    return images(), rng.integers(0, CLASSES, count, dtype=np.int32)


def measure(
    model: GenerativeModel,
    batch: tuple[np.ndarray, ...],
    *,
    steps: int = 10,
    xla: bool = True,
    progress: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> dict[str, Any]:
    """Trains some steps of every phase and times them.

    Args:
        model: compiled and planned; its weights change.
        batch: what one step takes; it stays in memory, no data are read.
        steps: number of timed steps of each phase, at least 1, after two that are not timed.
        xla: whether to compile with XLA, as `fit` does.
        progress: called with what is being done, how much is done, and of how much.

    Returns:
        Fit for JSON: the "seconds" of the median step of each phase without compilation, the mean
        "seconds_per_step" over the phases by their shares, "images_per_second" as `fit` counts
        them, "steps", "xla", and "peak_flops", those of a large matrix multiplication per second.
    """
    parts = tuple(tf.constant(part) for part in batch)
    shares, seconds = planned_phases(model), {}
    for name in shares:
        model.phase = name
        step = compiled_update(model, xla=xla)
        text = f"timing steps{f' of {name}' if name else ''}"
        times = []
        for index in range(steps + 2):
            progress(text, index, steps + 2)
            started = time.perf_counter()
            for value in step(parts).values():
                value.numpy()  # waits until it is computed
            times.append(time.perf_counter() - started)
        seconds[name] = median(times[2:])
    mean = sum(seconds[name] * share for name, share in shares.items())
    return {
        "seconds": seconds,
        "seconds_per_step": mean,
        "images_per_second": len(batch[0]) / mean,
        "steps": steps,
        "peak_flops": matmul_peak(),
        "xla": xla,
    }


def matmul_peak(repeats: int = 5) -> float:
    """Returns the FLOPs per second of the fastest of some large float32 matrix multiplications."""
    matrix = tf.random.stateless_uniform((_MATRIX_SIZE, _MATRIX_SIZE), (0, 0))
    multiply = lambda: tf.matmul(matrix, matrix)[0, 0].numpy()  # noqa: E731
    times = timeit.repeat(multiply, number=1, repeat=repeats + 1)
    return 2 * _MATRIX_SIZE**3 / min(times[1:])
