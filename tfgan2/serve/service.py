"""The parts of a server that all its addresses share."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import FastAPI

from tfgan2.serve.batches import Batches
from tfgan2.serve.metrics import Metrics
from tfgan2.serve.models import ServedModel

T = TypeVar("T")
MAX_THREADS = 8


class Service:
    """A model with the queue before it.

    Attributes:
        served: the model and its limits.
        batches: the queue.
        metrics: the counters.
    """

    def __init__(self, served: ServedModel) -> None:
        self.served = served
        self.metrics = Metrics()
        self.batches = Batches(served.run, served.limits, self.metrics)
        threads = min(MAX_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="images")

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Calls what would block other requests, such as decoding or encoding images."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Runs the queue as long as the application runs."""
        runner = asyncio.create_task(self.batches.run())
        try:
            yield
        finally:
            runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await runner
            self.batches.close()
            self._pool.shutdown(wait=False, cancel_futures=True)
