"""The queue before a model: concurrent requests share its batches."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from tfgan2.serve.invariance import Inputs, Model
from tfgan2.serve.limits import Limits
from tfgan2.serve.metrics import Metrics


class BusyError(Exception):
    """The server is full.

    Attributes:
        retry_after: seconds after which to try again.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many requests at once: try again later")
        self.retry_after = retry_after


class ClosingError(Exception):
    """The server is shutting down and takes no more requests."""

    def __init__(self) -> None:
        super().__init__("this server is shutting down: try again")


@dataclass(eq=False)
class _Job:
    """The samples of one request, of which `left` are not yet in a batch."""

    inputs: Inputs
    count: int
    arrived: float
    result: asyncio.Future[np.ndarray]
    left: int
    outputs: list[np.ndarray] = field(default_factory=list)

    @property
    def shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of a sample's inputs: jobs with the same can share a batch."""
        return [(name, array.shape[1:]) for name, array in self.inputs.items()]

    def take(self, limit: int) -> Inputs:
        start = self.count - self.left
        taken = min(limit, self.left)
        self.left -= taken
        return {name: array[start : start + taken] for name, array in self.inputs.items()}

    def settle(self, output: np.ndarray | Exception) -> None:
        """Adds the output of a part; the last one completes the result."""
        if self.result.done():  # cancelled, or another part of it failed
            return
        if isinstance(output, Exception):
            self.result.set_exception(output)
            return
        self.outputs.append(output)
        if sum(map(len, self.outputs)) == self.count:
            self.result.set_result(np.concatenate(self.outputs))


class Batches:
    """A queue before a model that runs in a thread of its own.

    A batch runs when it is full, when its first request has waited long enough, or when no other
    request is about to join. A batch that fails runs again request by request, so that a bad
    request fails alone.

    Attributes:
        requests: number of requests in progress, from their heads to their responses.
        held: number of images in these.
        waiting: number of those images that are not yet in a batch.
        draining: whether the server is about to shut down.
        closed: whether it takes no more requests.
    """

    def __init__(self, model: Model, limits: Limits, metrics: Metrics) -> None:
        """
        Args:
            model: called in the thread, with up to `limits.max_batch` samples.
            limits: of batches and of the queue.
            metrics: counts batches.
        """
        self.requests = 0
        self.held = 0
        self.waiting = 0
        self.draining = False
        self.closed = False
        self._model = model
        self._limits = limits
        self._metrics = metrics
        self._jobs: deque[_Job] = deque()
        self._running: list[_Job] = []
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._seconds_per_image = 0.01
        metrics.queue.set_function(lambda: self.waiting)
        metrics.in_progress.set_function(lambda: self.requests)

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

        Args:
            inputs: arrays of equal length by name.

        Raises:
            Exception: what the model raises for these samples alone.
        """
        loop = asyncio.get_running_loop()
        count = _length(inputs)
        job = _Job(inputs, count, loop.time(), loop.create_future(), left=count)
        self._jobs.append(job)
        self.waiting += count
        self._changed.set()
        try:
            return await job.result
        finally:
            if job.left:  # cancelled, or a part of it failed
                self.waiting -= job.left
                self._jobs.remove(job)

    async def run(self) -> None:
        """Runs batch after batch until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            pieces = await self._next_batch()
            self._running = [job for job, _ in pieces]
            parts = [inputs for _, inputs in pieces]
            start = time.perf_counter()
            outputs = await loop.run_in_executor(self._thread, self._run_model, parts)
            seconds = time.perf_counter() - start
            size = sum(map(_length, parts))
            self._metrics.batch_seconds.observe(seconds)
            self._metrics.batch_images.observe(size)
            self._seconds_per_image += 0.2 * (seconds / size - self._seconds_per_image)
            self._running = []
            for (job, _), output in zip(pieces, outputs, strict=True):
                job.settle(output)

    def abandon(self) -> int:
        """Ends what is in progress with a ClosingError; returns the number of requests."""
        for job in [*self._jobs, *self._running]:
            if not job.result.done():
                job.result.set_exception(ClosingError())
        return self.requests

    def close(self) -> None:
        """Releases the thread, which ends after its batch."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def running(self) -> bool:
        """Whether the model is running."""
        return bool(self._running)

    async def _next_batch(self) -> list[tuple[_Job, Inputs]]:
        """Waits for a batch; returns each job with the samples that it adds."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            if not self._jobs:
                await self._changed.wait()
                continue
            left = self._jobs[0].arrived + self._limits.max_wait_ms / 1000 - loop.time()
            others = self.requests > len(self._jobs)
            if left > 0 and self.waiting < self._limits.max_batch and others:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), left)
                continue
            if pieces := self._take():
                return pieces
            await asyncio.sleep(0)  # only ended jobs, whose requests are about to remove them

    def _take(self) -> list[tuple[_Job, Inputs]]:
        room = self._limits.max_batch
        pieces: list[tuple[_Job, Inputs]] = []
        for job in list(self._jobs):
            if job.result.done() or (pieces and job.shapes != pieces[0][0].shapes):
                continue
            part = job.take(room)
            pieces.append((job, part))
            room -= _length(part)
            self.waiting -= _length(part)
            if not job.left:
                self._jobs.remove(job)
            if not room:
                break
        return pieces

    def _run_model(self, parts: list[Inputs]) -> list[np.ndarray | Exception]:
        """Returns the images of each part, or the error; called in the thread."""
        try:
            names = parts[0].keys()
            images = self._model(
                {name: np.concatenate([part[name] for part in parts]) for name in names}
            )
        except Exception as error:
            if len(parts) == 1:
                return [error]
            return [output for part in parts for output in self._run_model([part])]
        return [*np.split(images, np.cumsum([_length(part) for part in parts])[:-1])]


def _length(inputs: Inputs) -> int:
    return len(next(iter(inputs.values())))
