"""Concurrent requests share the runs of a model."""

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

from tfgan2.serve.limits import Limits
from tfgan2.serve.metrics import Metrics
from tfgan2.serve.steady import Inputs, Model


class BusyError(Exception):
    """The server is full.

    Attributes:
        retry_after: seconds after which another try makes sense.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ClosingError(Exception):
    """The server is going down and takes no more requests."""


@dataclass(eq=False)
class _Job:
    """The samples of one request, of which `left` are not yet in a batch."""

    inputs: Inputs
    count: int
    arrived: float
    result: asyncio.Future[np.ndarray]
    left: int = 0
    made: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = self.count

    @property
    def kind(self) -> list[tuple[str, tuple[int, ...]]]:
        """Jobs of the same kind can share a batch."""
        return [(name, array.shape[1:]) for name, array in self.inputs.items()]

    def take(self, most: int) -> Inputs:
        start = self.count - self.left
        taken = min(most, self.left)
        self.left -= taken
        return {name: array[start : start + taken] for name, array in self.inputs.items()}


class Batches:
    """A queue before a model that runs in a thread of its own.

    A batch is run when it is full, when its first request has waited long enough, or when no other
    request is on its way. A batch that fails is run again request by request, so that one cannot
    harm the others.

    Attributes:
        requests: in progress, from their heads to their answers.
        held: images of these.
        waiting: those of them that are not yet in a batch.
        draining: whether the server is about to go down.
        closed: whether it takes no more requests.
    """

    def __init__(self, model: Model, limits: Limits, metrics: Metrics) -> None:
        """
        Args:
            model: called in the thread, with any number of samples up to `limits.max_batch`.
            limits: of batches and of the queue.
            metrics: told of each batch.
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
        """Around a request, before its body is read.

        Raises:
            ClosingError: the server takes no more.
            BusyError: it is full.
        """
        if self.closed:
            raise ClosingError("this server is going down: try again")
        # Each has at least one image, though it is not known yet how many.
        if max(self.held, self.requests) >= self._limits.max_queue:
            raise self._busy()
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self._changed.set()

    @contextlib.contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Around the making and encoding of so many images.

        Raises:
            BusyError: there is no place for them.
        """
        if self.held + count > self._limits.max_queue:
            raise self._busy()
        self.held += count
        try:
            yield
        finally:
            self.held -= count

    def _busy(self) -> BusyError:
        seconds = max(1, math.ceil(self.held * self._seconds_per_image))
        return BusyError("too many requests at once: try again later", seconds)

    async def make(self, inputs: Inputs) -> np.ndarray:
        """Images of samples, in a batch with those of other requests.

        Args:
            inputs: arrays of equal length by name.

        Returns:
            As many images.

        Raises:
            Exception: what the model raises for these samples alone.
        """
        loop = asyncio.get_running_loop()
        count = len(next(iter(inputs.values())))
        job = _Job(inputs, count, loop.time(), loop.create_future())
        self._jobs.append(job)
        self.waiting += count
        self._changed.set()
        try:
            return await job.result
        finally:
            if job.left:  # nobody waits for it any more, or a part of it failed
                self.waiting -= job.left
                self._jobs.remove(job)

    async def run(self) -> None:
        """Runs batch after batch until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            pieces = await self._gather()
            self._running = [job for job, _ in pieces]
            start = time.perf_counter()
            results = await loop.run_in_executor(
                self._thread, self._made, [inputs for _, inputs in pieces]
            )
            seconds = time.perf_counter() - start
            size = sum(_length(inputs) for _, inputs in pieces)
            self._metrics.batch_seconds.observe(seconds)
            self._metrics.batch_images.observe(size)
            self._seconds_per_image += 0.2 * (seconds / size - self._seconds_per_image)
            self._running = []
            for (job, _), result in zip(pieces, results, strict=True):
                _settle(job, result)

    def abandon(self) -> int:
        """Ends what is in progress with a ClosingError; returns how many requests it was."""
        for job in [*self._jobs, *self._running]:
            if not job.result.done():
                job.result.set_exception(ClosingError("this server is going down: try again"))
        return self.requests

    def close(self) -> None:
        """Lets go of the thread, which ends after its batch."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def running(self) -> bool:
        """Whether the model is at work."""
        return bool(self._running)

    async def _gather(self) -> list[tuple[_Job, Inputs]]:
        """Waits for a batch; returns what each job puts into it."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            if not self._jobs:
                await self._changed.wait()
                continue
            left = self._jobs[0].arrived + self._limits.max_wait_ms / 1000 - loop.time()
            alone = self.requests <= len(self._jobs)
            if left > 0 and self.waiting < self._limits.max_batch and not alone:
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
            if job.result.done() or (pieces and job.kind != pieces[0][0].kind):
                continue
            taken = job.take(room)
            pieces.append((job, taken))
            room -= _length(taken)
            self.waiting -= _length(taken)
            if not job.left:
                self._jobs.remove(job)
            if not room:
                break
        return pieces

    def _made(self, parts: list[Inputs]) -> list[np.ndarray | Exception]:
        """What the model makes of each part, or why not; called in the thread."""
        try:
            joined = {
                name: np.concatenate([part[name] for part in parts]) if len(parts) > 1 else array
                for name, array in parts[0].items()
            }
            made = self._model(joined)
        except Exception as error:
            if len(parts) == 1:
                return [error]
            return [result for part in parts for result in self._made([part])]
        ends = np.cumsum([_length(part) for part in parts])
        return [*np.split(made, ends[:-1])]


def _length(inputs: Inputs) -> int:
    return len(next(iter(inputs.values())))


def _settle(job: _Job, result: np.ndarray | Exception) -> None:
    if job.result.done():  # given up, or another part of it failed
        return
    if isinstance(result, Exception):
        job.result.set_exception(result)
        return
    job.made.append(result)
    if sum(map(len, job.made)) == job.count:
        job.result.set_result(np.concatenate(job.made) if len(job.made) > 1 else job.made[0])
