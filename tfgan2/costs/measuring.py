"""What training takes on this machine, on made-up data."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.costs.model import planned_phases
from tfgan2.kernels import compiled_update
from tfgan2.models.base import GenerativeModel

CLASSES, VOCABULARY, CAPTION_LENGTH = 10, 1000, 16
_PEAK_SIZE = 2048


@dataclass(frozen=True)
class Measured:
    """How long steps took.

    Attributes:
        seconds: of the median step of each phase, compiling left out.
        seconds_per_step: on average over all phases, by their shares of the steps.
        images_per_second: real samples, as `tfgan2 fit` counts them.
        steps: how many of each phase were timed.
        peak_flops: products of float32 matrices per second that this machine manages.
        devices: what computed.
    """

    seconds: dict[str, float]
    seconds_per_step: float
    images_per_second: float
    steps: int
    peak_flops: float
    devices: str


def made_up_facts(image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """What a dataset of any kind would tell of itself.

    Args:
        image_shape: (height, width, channels), of inputs and outputs alike.

    Returns:
        What `GenerativeModel.data_hyperparameters` takes.
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


def made_up_batch(model: GenerativeModel, batch_size: int) -> tuple[np.ndarray, ...]:
    """What one step takes: noise of the shape of the samples that the model trains on.

    Args:
        model: made for the data of `made_up_facts`.
        batch_size: of an update.
    """
    from tfgan2.inputs.words import FIRST

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
    devices: str = "CPU",
    progress: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> Measured:
    """Trains some steps of every phase and times them.

    Args:
        model: compiled and planned; its weights move.
        batch: as for `tfgan2.costs.model.count_model`; it stays in memory, no data are read.
        steps: how many of each phase are timed, at least 1, after two that are not.
        xla: compile with XLA, as `fit` does.
        devices: for the report.
        progress: called with what is being done, how much of it is done, and of how much.
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
    return Measured(seconds, mean, len(batch[0]) / mean, steps, matmul_peak(), devices)


def matmul_peak(repeats: int = 5) -> float:
    """FLOPs per second of a product of two large float32 matrices, the best of some."""
    one = tf.random.stateless_uniform((_PEAK_SIZE, _PEAK_SIZE), (0, 0))
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        tf.matmul(one, one)[0, 0].numpy()
        times.append(time.perf_counter() - started)
    return 2 * _PEAK_SIZE**3 / min(times[1:])
