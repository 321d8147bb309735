"""Tasks that write files while training goes on."""

from __future__ import annotations

import threading

import pytest

from tfgan2.training.background import Background


def test_tasks_run_one_after_the_other_in_order() -> None:
    background, done, may_end = Background(), [], threading.Event()

    def task(name: str) -> None:
        may_end.wait(10)
        done.append((name, threading.current_thread().name))

    background.run(task, "first")
    assert not done  # it does not wait
    may_end.set()
    background.run(task, "second")
    assert [name for name, _ in done][:1] == ["first"]
    background.wait()
    assert [name for name, _ in done] == ["first", "second"]
    assert {thread for _, thread in done} != {threading.current_thread().name}
    background.wait()  # nothing to wait for


def test_an_error_is_raised_at_the_next_call_and_once() -> None:
    background = Background()

    def fails() -> None:
        raise OSError(28, "No space left on device")

    background.run(fails)
    with pytest.raises(OSError, match="No space left"):
        background.run(print)
    background.wait()
