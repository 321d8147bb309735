"""Writes files while training goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Background:
    """Runs tasks in a thread, one after the other, in the order of their coming.

    At most one task waits or runs, which bounds memory. The error of a task is raised by the next
    call of any method.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1)
        self._task: Future[Any] | None = None

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Waits until the task before has ended, then starts this one."""
        self.wait()
        self._task = self._threads.submit(function, *args, **kwargs)

    def wait(self) -> None:
        """Waits until all tasks have ended."""
        task, self._task = self._task, None
        if task is not None:
            task.result()
