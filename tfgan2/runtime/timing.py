"""Times models, which take turns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfgan2.errors import UserError
from tfgan2.runtime.backends import Model, first_line

WARM_UP = 3


class Timed(NamedTuple):
    """A model to be timed: its name, the library that runs it, its threads (None: all), its size.

    The model comes last.
    """

    file: str
    runs_with: str
    threads: int | None
    bytes: int
    model: Model


def measure(models: Sequence[Timed], count: int, batch: int = 1) -> list[dict[str, Any]]:
    """Times models round robin, so that other load on the machine affects all alike.

    Args:
        models: the models.
        count: calls of each, after a warm-up that is not counted.
        batch: images per call of a model with a free batch.

    Returns:
        For each model what `tfgan2 benchmark --json` writes; images per second are at the median.

    Raises:
        UserError: a model that cannot be run.
    """
    inputs = []
    for item in models:
        try:
            inputs.append(random_inputs(item.model.metadata, batch))
        except (KeyError, TypeError, ValueError, IndexError, StopIteration):
            raise UserError(f"{item.file} is damaged: its metadata is incomplete") from None
    milliseconds: list[list[float]] = [[] for _ in models]
    for turn in range(WARM_UP + count):
        for item, feed, times in zip(models, inputs, milliseconds, strict=True):
            start = time.perf_counter()
            try:
                item.model.backend(feed)
            except Exception as error:  # every library has its own
                raise UserError(f"{item.file} cannot be run: {first_line(error)}") from error
            if turn >= WARM_UP:
                times.append(1000 * (time.perf_counter() - start))
    figures = []
    for item, feed, times in zip(models, inputs, milliseconds, strict=True):
        about, images = item._asdict(), len(next(iter(feed.values())))
        del about["model"]
        median, p95 = (float(np.percentile(times, share)) for share in (50, 95))
        about |= {"batch": images, "count": count, "median_ms": median, "p95_ms": p95}
        figures.append({**about, "images_per_second": 1000 * images / median})
    return figures


def random_inputs(metadata: Mapping[str, Any], batch: int) -> dict[str, np.ndarray]:
    """Returns inputs as an export describes them, `batch` unless its batch is fixed."""
    rng = np.random.default_rng(0)
    inputs = {}
    for item in metadata["inputs"]:
        free = iter(metadata.get("size", ()))
        shape = [next(free) if size is None else size for size in item["shape"][1:]]
        low, high = item.get("range", (-1, 1))
        values = rng.uniform(low, high, (metadata.get("batch") or batch, *shape))
        inputs[item["name"]] = values.astype(item["dtype"])
    return inputs
