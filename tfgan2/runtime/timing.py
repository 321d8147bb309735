"""How long models take, one after the other in turns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.runtime.backends import Backend, first_line

WARM_UP = 3


@dataclass(frozen=True)
class Contender:
    """A model to be timed.

    Attributes:
        file: what it is called.
        runs_with: the library.
        threads: how many it uses; None: all.
        bytes: its size.
        batch: how many images it makes at once.
        backend: runs it.
        inputs: what it is fed.
    """

    file: str
    runs_with: str
    threads: int | None
    bytes: int
    batch: int
    backend: Backend
    inputs: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Timing:
    """What was measured of a contender.

    Attributes:
        file: as the contender's, and so are the next four.
        count: how many calls were timed.
        median_ms: of a call, in milliseconds.
        p95_ms: 95 of 100 calls took no longer.
        images_per_second: at the median.
    """

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
    """Times models round robin, so that what else the machine does falls on all alike.

    Args:
        contenders: the models.
        count: calls of each, after a warm-up that is not counted.

    Raises:
        UserError: a model that cannot be run.
    """
    seconds: list[list[float]] = [[] for _ in contenders]
    for turn in range(WARM_UP + count):
        for contender, taken in zip(contenders, seconds, strict=True):
            start = time.perf_counter()
            try:
                contender.backend(contender.inputs)
            # Whatever the library raises; every one has its own.
            except Exception as error:
                raise UserError(f"{contender.file} cannot be run: {first_line(error)}") from error
            if turn >= WARM_UP:
                taken.append(1000 * (time.perf_counter() - start))
    return [
        Timing(
            contender.file,
            contender.runs_with,
            contender.threads,
            contender.bytes,
            contender.batch,
            count,
            median_ms=(median := float(np.median(taken))),
            p95_ms=float(np.percentile(taken, 95)),
            images_per_second=1000 * contender.batch / median,
        )
        for contender, taken in zip(contenders, seconds, strict=True)
    ]


def made_up_inputs(metadata: Mapping[str, Any], batch: int) -> dict[str, np.ndarray]:
    """Inputs of the right shapes and kinds for what an export's metadata describes.

    Args:
        metadata: of the file.
        batch: how many.
    """
    rng = np.random.default_rng(0)
    made = {}
    for item in metadata["inputs"]:
        free = iter(metadata.get("size", ()))
        shape = (batch, *(next(free) if size is None else size for size in item["shape"][1:]))
        if item["dtype"] == "int32":
            made[item["name"]] = np.full(shape, item["range"][1], np.int32)
        elif "range" in item:
            low, high = item["range"]
            made[item["name"]] = rng.uniform(low, high, shape).astype(np.float32)
        else:
            made[item["name"]] = rng.standard_normal(shape, dtype=np.float32)
    return made
