"""An exported file, tried out and ready to serve: what all addresses share."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import numpy as np
from fastapi import FastAPI

from tfgan2 import runtime
from tfgan2.runtime import Generator
from tfgan2.runtime.backends import Inputs, in_sizes
from tfgan2.serve.batches import Batches
from tfgan2.serve.invariance import candidate_sizes, invariant_sizes
from tfgan2.serve.limits import Limits
from tfgan2.serve.metrics import Metrics

T = TypeVar("T")
MAX_THREADS = 8
MEGABYTE = 1 << 20


class Service:
    """A model with the queue before it.

    Attributes:
        path: its file.
        network: the network in it.
        limits: the limits, none of them open.
        model: runs the network, with the same bits for a sample in any batch.
        batches: the queue.
        metrics: the counters.
    """

    def __init__(self, path: Path, limits: Limits, threads: int | None = None) -> None:
        """Loads a file and tries out its batch sizes; the arguments are those of `create_app`."""
        self.path = path
        self.network = network = runtime.load(path, threads=threads, spin=False)

        def run(inputs: Inputs) -> np.ndarray:
            return network.run(inputs) if isinstance(network, Generator) else network(**inputs)

        if isinstance(network, Generator):
            sizes = candidate_sizes(limits.max_batch, network.batch)
            samples = network.inputs(*network.draw(sizes[-1] * 3 // 2, seed=1))
            sizes = invariant_sizes(run, samples, sizes)
            # Several requests are taken at once even if only single images are invariant.
            max_batch = network.batch or limits.max_batch
            # A float in JSON takes up to 25 bytes with its comma, more with blanks.
            largest_body = limits.max_count * (network.latent_dim * 32 + 4096) + 65536
        else:
            sizes = (1,)
            if network.size is not None and network.batch is not None and network.batch > 1:
                shape = (network.batch * 3 // 2, *network.size)
                rng = np.random.default_rng(1)
                samples = {"images": rng.integers(0, 256, (*shape, network.channels), np.uint8)}
                if network.takes_mask:
                    samples["masks"] = rng.random((*shape, 1)) < 0.5
                sizes = invariant_sizes(run, samples, (network.batch,))
            max_batch, largest_body = sizes[-1], 16 * MEGABYTE
        self.limits = replace(limits, max_batch=max_batch, max_body=limits.max_body or largest_body)
        self.model = partial(in_sizes, run, sizes=sizes)
        self.metrics = Metrics()
        self.batches = Batches(self.model, self.limits, self.metrics)
        self._pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1))

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Calls what would block other requests, such as decoding or encoding images."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Runs the queue as long as the application runs."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.batches.run)
            yield
            tasks.cancel_scope.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
