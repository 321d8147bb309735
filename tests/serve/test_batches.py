"""Requests share batches, and none harms another."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import numpy as np
import pytest
from starlette.exceptions import HTTPException

from tfgan2.serve.batches import Batches, ClosingError
from tfgan2.serve.limits import Limits


class Model:
    """Doubles; refuses negative numbers; remembers its batches; waits where it is told to."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.started = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, inputs):
        self.started.set()
        assert self.go.wait(20)
        (values,) = inputs.values()
        self.sizes.append(len(values))
        if (values < 0).any():
            raise ValueError("negative")
        return values * 2


def run(story, **limits):
    """Runs a coroutine function of a queue and its model; returns the model."""
    model = Model()

    async def main():
        chosen = Limits(**{"max_wait_ms": 0, **limits})
        batches = Batches(model, chosen, chosen.max_batch)
        runner = asyncio.create_task(batches.run())
        try:
            await asyncio.wait_for(story(batches, model), 30)
        finally:
            model.go.set()
            runner.cancel()
        assert (batches.queue, batches.held) == ([], 0)

    asyncio.run(main())
    return model


def numbers(*values):
    return {"x": np.array(values, np.float32)}


async def blocked(batches, model):
    """A request that keeps the model at work until `model.go` is set."""
    model.started.clear()
    model.go.clear()
    task = asyncio.create_task(batches.compute(numbers(1)))
    await asyncio.to_thread(model.started.wait, 20)
    return task


def test_those_that_wait_share_a_batch():
    async def story(batches, model):
        first = await blocked(batches, model)
        others = [asyncio.create_task(batches.compute(numbers(n, n))) for n in range(3)]
        await asyncio.sleep(0)
        assert len(batches.queue) == 6
        model.go.set()
        assert [list(made) for made in await asyncio.gather(first, *others)] == [
            [2],
            [0, 0],
            [2, 2],
            [4, 4],
        ]

    assert run(story).sizes == [1, 6]


def test_a_large_request_is_cut_and_a_small_one_fills_the_rest():
    async def story(batches, model):
        first = await blocked(batches, model)
        large = asyncio.create_task(batches.compute(numbers(*range(10))))
        small = asyncio.create_task(batches.compute(numbers(7)))
        await asyncio.sleep(0)
        model.go.set()
        await first
        assert list(await large) == [2 * n for n in range(10)]
        assert list(await small) == [14]

    assert run(story, max_batch=4).sizes == [1, 4, 4, 3]


def test_other_shapes_have_their_own_batches():
    async def story(batches, model):
        first = await blocked(batches, model)
        wide = [asyncio.create_task(batches.compute({"x": np.ones((1, 2))})) for _ in range(2)]
        narrow = asyncio.create_task(batches.compute(numbers(3)))
        await asyncio.sleep(0)
        model.go.set()
        await asyncio.gather(first, narrow, *wide)

    assert run(story).sizes == [1, 2, 1]


def test_a_bad_request_does_not_harm_its_batch_mates():
    async def story(batches, model):
        first = await blocked(batches, model)
        jobs = [asyncio.create_task(batches.compute(numbers(n))) for n in (5, -1, 6)]
        await asyncio.sleep(0)
        model.go.set()
        await first
        good, bad, other = await asyncio.gather(*jobs, return_exceptions=True)
        assert (list(good), list(other)) == ([10], [12])
        assert isinstance(bad, ValueError)

    assert run(story).sizes == [1, 3, 1, 1, 1]


def test_a_request_that_fails_in_one_piece_fails_once():
    async def story(batches, model):
        with pytest.raises(ValueError, match="negative"):
            await batches.compute(numbers(-1, 2, 3, 4, 5))
        assert list(await batches.compute(numbers(4))) == [8]

    run(story, max_batch=2)


def test_a_request_waits_for_others_on_their_way_and_no_longer():
    async def story(batches, model):
        with batches.request(), batches.request():
            first = asyncio.create_task(batches.compute(numbers(1)))
            await asyncio.sleep(0.02)
            await asyncio.gather(first, batches.compute(numbers(2)))
            assert model.sizes == [2]
            await batches.compute(numbers(3))  # the other one never comes

    assert run(story, max_wait_ms=300).sizes == [2, 1]


def test_alone_it_does_not_wait():
    async def story(batches, model):
        with batches.request():
            await asyncio.wait_for(batches.compute(numbers(1)), 20)

    run(story, max_wait_ms=60_000)


def test_a_request_that_is_given_up_is_not_made():
    async def story(batches, model):
        first = await blocked(batches, model)
        given_up = asyncio.create_task(batches.compute(numbers(2, 3)))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        assert not batches.queue
        model.go.set()
        await first
        await batches.compute(numbers(4))

    assert run(story).sizes == [1, 1]


def test_a_full_queue():
    async def story(batches, model):
        with batches.hold(3):
            with pytest.raises(HTTPException, match="too many") as raised, batches.hold(2):
                pass
            assert int(raised.value.headers["Retry-After"]) >= 1
            with batches.hold(1), pytest.raises(HTTPException, match="too many"), batches.request():
                pass
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(batches.request())
            with pytest.raises(HTTPException, match="too many"), batches.request():
                pass
        with batches.request():
            assert batches.requests == 1

    run(story, max_queue=4, max_count=4)


def test_closing():
    async def story(batches, model):
        running = await blocked(batches, model)
        waiting = asyncio.create_task(batches.compute(numbers(2)))
        await asyncio.sleep(0)
        batches.closed = True
        with pytest.raises(ClosingError), batches.request():
            pass
        batches.abandon()
        for task in (running, waiting):
            with pytest.raises(ClosingError):
                await task

    run(story)
