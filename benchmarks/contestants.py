"""Times training: a process writes a line after some steps, another reads them.

A line is JSON with the number of finished steps, `{"step": 50}`; the first, of step 0, may describe
the machine. `stats.jsonl` of `tfgan2 fit` has such lines already. Imports neither TensorFlow nor
PyTorch: the Pythons of both run it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PLAIN = {"dcgan": ["--set", "augment=none"]}
"""Options of the flavours whose counterpart in `torch_gans.py` has no such regularization."""
WINDOW_SECONDS = 0.4
"""Waiting for a GPU empties its queue, so a line follows only after this time."""


def train(step: Callable[[], Any], wait: Callable[[], Any], about: dict[str, Any]) -> None:
    """Trains until it is killed, and prints a line after each window of steps."""
    print(json.dumps({"step": 0, **about}), flush=True)
    done, count = 0, 1
    while True:
        started = time.perf_counter()
        for _ in range(count):
            step()
        wait()
        done += count
        print(json.dumps({"step": done}), flush=True)
        if done > 1 and time.perf_counter() - started < WINDOW_SECONDS:
            count *= 2


class ContestantEnded(Exception):
    """A process ended, or wrote no line in time."""


class Contestant:
    """A process that trains, timed by the lines that it writes.

    Attributes:
        name: its name in tables.
        lines: all lines read so far.
        first_step_seconds: time from the start to the first finished steps.
    """

    def __init__(
        self, name: str, words: list[str], log: Path, *, lines: Path | None = None, limit: float
    ) -> None:
        """Starts the process and waits until it has compiled and trained for some steps.

        Args:
            log: file for its errors; its output goes to a file beside it.
            lines: file of its lines; its output if not given.
            limit: seconds after which a process without a new line counts as hanging.
        """
        self.name, self.lines, self._limit, self._log = name, [], limit, log
        self._path = lines or log.with_suffix(".out")
        self._read = 0
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        started = time.monotonic()
        with log.with_suffix(".out").open("w") as output, log.open("w", encoding="utf-8") as errors:
            # In its own session: when a shell exits, the kernel resumes stopped processes of its
            # session, and a paused contestant would train during the others' turns.
            self._process = subprocess.Popen(
                words, stdout=output, stderr=errors, env=environment, start_new_session=True
            )
        try:
            self._wait(lambda: self._last_step() > 0)
            self.first_step_seconds = time.monotonic() - started
            first = self._last_step()
            self._wait(lambda: self._last_step() > first)
        except BaseException:
            self.end()
            raise

    def _last_step(self) -> int:
        return self.lines[-1]["step"] if self.lines else 0

    def _new_lines(self) -> list[dict[str, Any]]:
        """Reads the complete lines since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        content = content[: content.rfind(b"\n") + 1]
        self._read += len(content)
        found = [json.loads(line) for line in content.splitlines()]
        self.lines += found
        return found

    def _wait(self, reached: Callable[[], bool]) -> float:
        """Waits for a new line with which `reached` holds; returns the time of this line."""
        ends = time.monotonic() + self._limit
        while not (self._new_lines() and reached()):
            if self._process.poll() is not None:
                raise ContestantEnded(f"{self.name} ended: {self._log.read_text()[-2000:]}")
            if time.monotonic() > ends:
                raise ContestantEnded(f"{self.name} wrote no line within {self._limit:.0f} s")
            time.sleep(0.002)
        return time.perf_counter()

    def seconds_per_step(self, seconds: float) -> float:
        """Times whole windows of steps for at least this long."""
        self._new_lines()
        started = ended = self._wait(lambda: True)  # these steps began before the turn
        first = self._last_step()
        while ended - started < seconds:
            ended = self._wait(lambda: True)
        return (ended - started) / (self._last_step() - first)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
