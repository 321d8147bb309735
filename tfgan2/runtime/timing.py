"""Times models, which take turns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.runtime.backends import Backend, Inputs, first_line

WARM_UP = 3


@dataclass(frozen=True)
class Contender:
    """A model to be timed.

    Attributes:
        file: name of the model.
        runs_with: name of the library that runs it.
        threads: number of threads, None for all.
        bytes: size of the model.
        batch: number of images per call.
        backend: runs the model.
        inputs: arrays by name for each call.
    """

    file: str
    runs_with: str
    threads: int | None
    bytes: int
    batch: int
    backend: Backend
    inputs: Inputs


@dataclass(frozen=True)
class Timing:
    """The result for a contender: the number of calls, and the images per second at the median."""

    file: str
    runs_with: str
    threads: int | None
    bytes: int
    batch: int
    count: int
    median_ms: float
    p95_ms: float
    images_per_second: float


def measure(contenders: Sequence[Contender], count: int) -> list[Timing]:
    """Times models round robin, so that other load on the machine affects all alike.

    Args:
        contenders: the models.
        count: calls of each, after a warm-up that is not counted.

    Raises:
        UserError: a model that cannot be run.
    """
    milliseconds: list[list[float]] = [[] for _ in contenders]
    for turn in range(WARM_UP + count):
        for contender, times in zip(contenders, milliseconds, strict=True):
            start = time.perf_counter()
            try:
                contender.backend(contender.inputs)
            except Exception as error:  # every library has its own
                raise UserError(f"{contender.file} cannot be run: {first_line(error)}") from error
            if turn >= WARM_UP:
                times.append(1000 * (time.perf_counter() - start))
    timings = []
    for item, times in zip(contenders, milliseconds, strict=True):
        median, p95 = (float(np.percentile(times, share)) for share in (50, 95))
        model = (item.file, item.runs_with, item.threads, item.bytes, item.batch)
        timings.append(Timing(*model, count, median, p95, 1000 * item.batch / median))
    return timings


def random_inputs(metadata: Mapping[str, Any], batch: int) -> dict[str, np.ndarray]:
    """Returns `batch` inputs with the names, shapes and types in the metadata of an export."""
    rng = np.random.default_rng(0)
    inputs = {}
    for item in metadata["inputs"]:
        free = iter(metadata.get("size", ()))
        shape = (batch, *(next(free) if size is None else size for size in item["shape"][1:]))
        if item["dtype"] == "int32":
            inputs[item["name"]] = np.full(shape, item["range"][1], np.int32)
        elif "range" in item:
            low, high = item["range"]
            inputs[item["name"]] = rng.uniform(low, high, shape).astype(np.float32)
        else:
            inputs[item["name"]] = rng.standard_normal(shape, dtype=np.float32)
    return inputs
