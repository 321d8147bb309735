"""The queue before a model: concurrent requests share its batches."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from starlette.exceptions import HTTPException

from tfgan2.runtime.backends import Inputs
from tfgan2.serve.limits import Limits
from tfgan2.serve.metrics import Metrics


class BusyError(HTTPException):
    """The server is full; a client may try again after that many seconds."""

    def __init__(self, seconds: int) -> None:
        headers = {"Retry-After": str(seconds)}
        super().__init__(503, "too many requests at once: try again later", headers)


class ClosingError(HTTPException):
    """The server is shutting down and takes no more requests."""

    def __init__(self) -> None:
        headers = {"Retry-After": "1", "Connection": "close"}
        super().__init__(503, "this server is shutting down: try again", headers)


@dataclass(eq=False)
class _Sample:
    """One sample of a request, in the queue or in a batch.

    Attributes:
        inputs: by name, without a batch dimension.
        arrived: the loop's time.
        request: the same object for all samples of a request.
        output: done once the model made it, it failed, or the request ended.
    """

    inputs: dict[str, np.ndarray]
    arrived: float
    request: object
    output: asyncio.Future[np.ndarray]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes by name: samples with the same can share a batch."""
        return {name: np.shape(array) for name, array in self.inputs.items()}


class Batches:
    """A queue before a model that runs in a thread of its own.

    A batch runs when it is full, when its first request has waited long enough, or when no other
    request is about to join. A batch that fails runs again sample by sample, so that a bad request
    fails alone.

    Attributes:
        requests: number of requests in progress, from their heads to their responses.
        held: number of images in these.
        running: whether the model is running.
        draining: whether the server is about to shut down.
        closed: whether it takes no more requests.
    """

    def __init__(
        self, model: Callable[[Inputs], np.ndarray], limits: Limits, metrics: Metrics
    ) -> None:
        """
        Args:
            model: called in the thread, with up to `limits.max_batch` samples.
            limits: of batches and of the queue.
            metrics: counts batches.
        """
        self.requests = 0
        self.held = 0
        self.draining = False
        self.closed = False
        self._model = model
        self._limits = limits
        self._metrics = metrics
        self._queue: list[_Sample] = []
        self._batch: list[_Sample] = []
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._seconds_per_image = 0.01
        metrics.queue.set_function(lambda: self.waiting)
        metrics.in_progress.set_function(lambda: self.requests)

    @property
    def waiting(self) -> int:
        """Number of images that are not yet in a batch."""
        return len(self._queue)

    @property
    def running(self) -> bool:
        return bool(self._batch)

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Context of a request, entered before its body is read.

        Raises:
            ClosingError: the server takes no more requests.
            BusyError: it is full.
        """
        if self.closed:
            raise ClosingError
        # Each has at least one image, though it is not known yet how many.
        self._check_room(max(self.held, self.requests) + 1)
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self._changed.set()

    @contextlib.contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Context in which `count` images are made and encoded.

        Raises:
            BusyError: there is no room for them.
        """
        self._check_room(self.held + count)
        self.held += count
        try:
            yield
        finally:
            self.held -= count

    def _check_room(self, count: int) -> None:
        if count > self._limits.max_queue:
            raise BusyError(max(1, math.ceil(self.held * self._seconds_per_image)))

    async def compute(self, inputs: Inputs) -> np.ndarray:
        """Returns the images of samples, made in batches with those of other requests.

        Raises:
            Exception: what the model raises for one of these samples alone.
        """
        loop = asyncio.get_running_loop()
        now, request = loop.time(), object()
        samples = [
            _Sample(dict(zip(inputs, arrays, strict=True)), now, request, loop.create_future())
            for arrays in zip(*inputs.values(), strict=True)
        ]
        self._queue += samples
        self._changed.set()
        try:
            return np.stack(await asyncio.gather(*(sample.output for sample in samples)))
        finally:  # cancelled, or one of them failed: the others need not be made
            for sample in samples:
                sample.output.cancel()
            self._queue = [sample for sample in self._queue if not sample.output.done()]

    async def run(self) -> None:
        """Runs batch after batch until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._batch = await self._next_batch()
            start = time.perf_counter()
            outputs = await loop.run_in_executor(self._thread, self._run_model, self._batch)
            seconds, size = time.perf_counter() - start, len(self._batch)
            self._metrics.batch_seconds.observe(seconds)
            self._metrics.batch_images.observe(size)
            self._seconds_per_image += 0.2 * (seconds / size - self._seconds_per_image)
            for sample, output in zip(self._batch, outputs, strict=True):
                if sample.output.done():
                    continue
                if isinstance(output, Exception):
                    sample.output.set_exception(output)
                else:
                    sample.output.set_result(output)
            self._batch = []

    def abandon(self) -> int:
        """Ends what is in progress with a ClosingError; returns the number of requests."""
        for sample in [*self._queue, *self._batch]:
            if not sample.output.done():
                sample.output.set_exception(ClosingError())
        self._queue.clear()
        return self.requests

    async def _next_batch(self) -> list[_Sample]:
        """Waits for a batch and takes it out of the queue."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            if not self._queue:
                await self._changed.wait()
                continue
            first, most = self._queue[0], self._limits.max_batch
            left = first.arrived + self._limits.max_wait_ms / 1000 - loop.time()
            full = len(self._queue) >= most
            if left > 0 and not full and self.requests > len({s.request for s in self._queue}):
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), left)
                continue
            batch = [sample for sample in self._queue if sample.shapes == first.shapes][:most]
            taken = set(batch)
            self._queue = [sample for sample in self._queue if sample not in taken]
            return batch

    def _run_model(self, samples: list[_Sample]) -> list[np.ndarray | Exception]:
        """Returns the image of each sample, or its error; called in the thread."""
        try:
            names = samples[0].inputs
            return [
                *self._model({n: np.stack([sample.inputs[n] for sample in samples]) for n in names})
            ]
        except Exception as error:
            if len(samples) == 1:
                return [error]
            return [output for sample in samples for output in self._run_model([sample])]
