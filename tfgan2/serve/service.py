"""An exported file, tried out and ready to serve: what all addresses share.

A model computes each image of a batch by itself, but libraries choose other kernels for other
batch sizes, and these round differently: a latent may give other bits alone than in a batch. What a
server returns for a seed must not depend on other requests. So the batch sizes are tried out, only
those that give the same bits are used, and a batch in between is padded.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import anyio.to_thread
import numpy as np
from fastapi import FastAPI

from tfgan2 import runtime
from tfgan2.runtime import Generator
from tfgan2.runtime.backends import Inputs, in_sizes
from tfgan2.serve.batches import Batches
from tfgan2.serve.limits import Limits

MAX_THREADS = 8


class Service:
    """A model with the queue before it.

    Attributes:
        path: its file.
        network: the network in it.
        limits: the limits.
        max_body: bytes per request.
        model: runs the network, with the same bits for a sample in any batch.
        batches: the queue.
        running: whether the lifespan of the application runs, and with it the queue.
    """

    def __init__(self, path: Path, limits: Limits, threads: int | None = None) -> None:
        """Loads a file and tries out its batch sizes; the arguments are those of `create_app`."""
        self.path = path
        self.network = network = runtime.load(path, threads=threads, spin=False)
        self.limits = limits
        if isinstance(network, Generator):
            # Several requests are taken at once even if only single images are invariant.
            max_batch = network.batch or limits.max_batch
            sizes = (max_batch,) if network.batch else candidate_sizes(max_batch)
            samples = network.inputs(*network.draw(max_batch * 3 // 2, seed=1))
            # A float in JSON takes up to 25 bytes with its comma, more with blanks.
            largest_body = limits.max_count * (network.latent_dim * 32 + 4096) + 65536
        else:
            max_batch = network.batch or 1
            sizes, largest_body = (max_batch,), 16 << 20
            shape = (max_batch * 3 // 2, *(network.size or network.metadata["size"]))
            rng = np.random.default_rng(1)
            samples = {"images": rng.integers(0, 256, (*shape, network.channels), np.uint8)}
            if network.takes_mask:
                samples["masks"] = rng.random((*shape, 1)) < 0.5
        sizes = invariant_sizes(network.run, samples, sizes)
        self.max_body = limits.max_body or largest_body
        self.model = partial(in_sizes, network.run, sizes=sizes)
        self.batches = Batches(self.model, limits, max_batch)
        self.running = False

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Runs the queue as long as the application runs."""
        # They decode and encode images; one may be busy with the files of the page.
        threads = anyio.to_thread.current_default_thread_limiter()
        threads.total_tokens = min(MAX_THREADS, 1 + (os.cpu_count() or 1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.batches.run)
            self.running = True
            yield
            self.running = False
            tasks.cancel_scope.cancel()


def candidate_sizes(largest: int) -> tuple[int, ...]:
    """Returns batch sizes to try, such that no batch is padded by more than a half."""
    powers = [1 << exponent for exponent in range(largest.bit_length())]
    sizes = {size for power in powers for size in (power, power * 3 // 2) if size < largest}
    return (*sorted(sizes), largest)


def invariant_sizes(
    model: Callable[[Inputs], np.ndarray], samples: Inputs, sizes: tuple[int, ...]
) -> tuple[int, ...]:
    """Returns the batch sizes that give the same bits for the same sample.

    Each sample is compared at two positions, beside other samples, and across batch sizes. Another
    order of additions changes some bits of nearly every image, so few samples are enough. Each
    third of the samples is left out once, which reveals layers that depend on the largest value of
    a batch, such as those that quantise by it.

    `samples` are 3/2 as many as the largest of the sizes, which ascend. Of several groups of sizes
    that agree the largest is returned, among equals that of larger sizes; (1,) if there is none.
    """
    groups: list[tuple[np.ndarray, list[int]]] = []
    for size in reversed(sizes):
        half = size // 2
        positions = np.arange(size + half)
        # The first half moves to the end, then the second half to the beginning.
        orders = [np.r_[size : size + half, :half], positions[half:]] if half else []
        first, *others = (
            model({name: array[order] for name, array in samples.items()})
            for order in (positions[:size], *orders)
        )
        if any(
            not np.array_equal(images[order < size], first[order[order < size]])
            for images, order in zip(others, orders, strict=True)
        ):
            continue
        for images, members in groups:
            if np.array_equal(images[:size], first):
                members.append(size)
                break
        else:
            groups.append((first, [size]))
    largest = max((members for _, members in groups), key=len, default=[1])
    return tuple(sorted(largest))
