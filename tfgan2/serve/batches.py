"""The queue before a model: concurrent requests share its batches."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import prometheus_client as prometheus
from starlette.exceptions import HTTPException

from tfgan2.runtime.backends import Inputs
from tfgan2.serve.limits import Limits

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The counters of one server for Prometheus; docs/serve.md lists them."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        prometheus.PlatformCollector(registry=self.registry)
        ours: dict[str, Any] = {"namespace": "tfgan2", "registry": self.registry}
        seconds, images = {**ours, "buckets": SECONDS}, {**ours, "buckets": IMAGES}
        names = ["route", "method", "status"]
        self.requests = prometheus.Counter("requests", "Requests answered.", names, **ours)
        self.seconds = prometheus.Histogram(
            "request_seconds", "From a request's head to its response.", ["route"], **seconds
        )
        self.batch_images = prometheus.Histogram(
            "batch_images", "Images per run of the model.", **images
        )
        self.batch_seconds = prometheus.Histogram(
            "batch_seconds", "Seconds per run of the model.", **seconds
        )
        self.queue = prometheus.Gauge("queue_images", "Images waiting for the model.", **ours)
        self.in_progress = prometheus.Gauge(
            "requests_in_progress", "Requests for images, from head to response.", **ours
        )


class ClosingError(HTTPException):
    """The server is shutting down and takes no more requests."""

    def __init__(self) -> None:
        headers = {"Retry-After": "1", "Connection": "close"}
        super().__init__(503, "this server is shutting down: try again", headers)


@dataclass(eq=False)
class _Sample:
    """One sample of a request; `output` is done when it is made or no longer needed."""

    inputs: dict[str, np.ndarray]
    shapes: list[tuple[int, ...]]  # of the inputs: samples with the same can share a batch
    request: object
    arrived: float
    output: asyncio.Future[np.ndarray]


class Batches:
    """A queue before a model that runs in a thread of its own.

    A batch runs when it is full, when its first request has waited long enough, or when no other
    request is about to join. A batch that fails runs again sample by sample, so that a bad request
    fails alone.

    Attributes:
        metrics: the counters.
        max_batch: largest number of samples in a batch.
        requests: number of requests in progress, from their heads to their responses.
        held: number of images in these.
        queue: samples that are not yet in a batch.
        batch: samples that the model is running.
        draining: whether the server is about to shut down.
        closed: whether it takes no more requests.
    """

    def __init__(
        self, model: Callable[[Inputs], np.ndarray], limits: Limits, max_batch: int
    ) -> None:
        self.metrics = Metrics()
        self.metrics.queue.set_function(lambda: len(self.queue))
        self.metrics.in_progress.set_function(lambda: self.requests)
        self.max_batch = max_batch
        self.requests = 0
        self.held = 0
        self.queue: list[_Sample] = []
        self.batch: list[_Sample] = []
        self.draining = False
        self.closed = False
        self._model = model
        self._limits = limits
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._seconds_per_image = 0.01

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Context of a request, entered before its body is read; it may be refused."""
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
        """Context in which `count` images are made and encoded; it may be refused."""
        self._check_room(self.held + count)
        self.held += count
        try:
            yield
        finally:
            self.held -= count

    def _check_room(self, count: int) -> None:
        if count > self._limits.max_queue:
            seconds = max(1, math.ceil(self.held * self._seconds_per_image))
            headers = {"Retry-After": str(seconds)}
            raise HTTPException(503, "too many requests at once: try again later", headers)

    async def compute(self, inputs: Inputs) -> np.ndarray:
        """Returns the images of samples, or raises what the model raises for one of them alone."""
        loop = asyncio.get_running_loop()
        shapes, request, now = [a.shape[1:] for a in inputs.values()], object(), loop.time()
        samples = []
        for arrays in zip(*inputs.values(), strict=True):
            named = dict(zip(inputs, arrays, strict=True))
            samples.append(_Sample(named, shapes, request, now, loop.create_future()))
        self.queue += samples
        self._changed.set()
        try:
            return np.stack(await asyncio.gather(*(sample.output for sample in samples)))
        finally:  # cancelled, or one of them failed: the others need not be made
            for sample in samples:
                sample.output.cancel()
            self.queue = [sample for sample in self.queue if not sample.output.done()]

    async def run(self) -> None:
        """Runs batch after batch until it is cancelled."""
        loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()  # an event belongs to the loop that first waits for it
        while True:
            self.batch = await self._next_batch()
            start = time.perf_counter()
            outputs = await loop.run_in_executor(self._thread, self._run_model, self.batch)
            seconds, size = time.perf_counter() - start, len(self.batch)
            self.metrics.batch_seconds.observe(seconds)
            self.metrics.batch_images.observe(size)
            self._seconds_per_image += 0.2 * (seconds / size - self._seconds_per_image)
            for sample, output in zip(self.batch, outputs, strict=True):
                if sample.output.done():
                    continue
                if isinstance(output, Exception):
                    sample.output.set_exception(output)
                else:
                    sample.output.set_result(output)
            self.batch = []

    def abandon(self) -> int:
        """Ends what is in progress with a ClosingError; returns the number of requests."""
        for sample in [*self.queue, *self.batch]:
            if not sample.output.done():
                sample.output.set_exception(ClosingError())
        self.queue.clear()
        return self.requests

    async def _next_batch(self) -> list[_Sample]:
        """Waits for a batch and takes it out of the queue."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            if not self.queue:
                await self._changed.wait()
                continue
            first = self.queue[0]
            left = first.arrived + self._limits.max_wait_ms / 1000 - loop.time()
            others = self.requests > len({sample.request for sample in self.queue})
            if left <= 0 or len(self.queue) >= self.max_batch or not others:
                alike = [sample for sample in self.queue if sample.shapes == first.shapes]
                batch = alike[: self.max_batch]
                taken = set(batch)
                self.queue = [sample for sample in self.queue if sample not in taken]
                return batch
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    def _run_model(self, samples: list[_Sample]) -> list[np.ndarray | Exception]:
        """Returns the image of each sample, or its error; called in the thread."""
        try:
            names = samples[0].inputs
            inputs = {name: np.stack([each.inputs[name] for each in samples]) for name in names}
            return [*self._model(inputs)]
        except Exception as error:
            if len(samples) == 1:
                return [error]
            return [output for sample in samples for output in self._run_model([sample])]
