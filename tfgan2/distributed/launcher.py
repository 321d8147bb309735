"""Starts the workers of a cluster as processes of this machine, and ends them together."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tfgan2.training.interruption import signals

GRACE = 60.0
"""Seconds that workers have to leave by themselves once one has died."""
_ASKED_TO_STOP = (0, *(128 + number for number in signals()))
"""What a worker leaves with that was told to: the others save and leave, too."""
_REFUSED = 2
"""What one leaves with whose words are wrong: the others would wait for it in vain."""


def addresses(workers: int, port: int | None) -> list[str]:
    """Where the workers listen: at ports from `port` on, or free ones."""
    if port is not None:
        return [f"127.0.0.1:{port + index}" for index in range(workers)]
    with contextlib.ExitStack() as stack:
        # All at once, or one port could be given twice.
        sockets = [stack.enter_context(socket.socket()) for _ in range(workers)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def run(command: Sequence[str], workers: Sequence[str], *, cwd: Path) -> int:
    """Runs a command as each worker of a cluster, until all have ended.

    The chief's output is passed on, of the others that to stderr, each line with the number of the
    worker before it. SIGINT and SIGTERM go to all. Once one has failed, the others have a minute to
    leave, then they are killed; at once if what was asked for is wrong.

    Args:
        command: what each worker runs, with `TF_CONFIG` set.
        workers: their addresses, host:port.
        cwd: where.

    Returns:
        0, or the exit code of the first that failed; of one that a signal killed 128 + its number.
    """
    processes = [_start(command, workers, index, cwd) for index in range(len(workers))]
    readers = [
        threading.Thread(target=_pass_on, args=(process.stderr, index), daemon=True)
        for index, process in enumerate(processes)
    ]
    for reader in readers:
        reader.start()
    with _passing_signals(processes):
        code = _wait(processes)
    for reader in readers:
        reader.join(timeout=5)
    return code


def _start(
    command: Sequence[str], workers: Sequence[str], index: int, cwd: Path
) -> subprocess.Popen[str]:
    cluster = {"worker": list(workers)}
    task = {"type": "worker", "index": index}
    environment = {
        # Where a worker is lost, TensorFlow tells of every pipe that broke.
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **os.environ,
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
    }
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=None if index == 0 else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # Ctrl-C in a terminal goes to the whole group: passed on once, not twice.
        start_new_session=True,
    )


def _pass_on(stream: IO[str] | None, index: int) -> None:
    assert stream is not None
    for line in stream:
        print(f"[worker {index}] {line}", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _passing_signals(processes: Sequence[subprocess.Popen[str]]) -> Iterator[None]:
    def pass_on(number: int, frame: object) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    numbers = signals()
    before = [signal.signal(number, pass_on) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _wait(processes: Sequence[subprocess.Popen[str]]) -> int:
    failed: int | None = None
    deadline = float("inf")
    while any(process.poll() is None for process in processes):
        for index, process in enumerate(processes):
            if failed is None and process.poll() not in (None, *_ASKED_TO_STOP):
                failed, deadline = index, time.monotonic() + GRACE
                if process.returncode == _REFUSED:
                    for other in processes:
                        other.kill()
                    break
                print(
                    f"worker {index} has ended with {_reason(process.returncode)}; "
                    "waiting for the others",
                    file=sys.stderr,
                    flush=True,
                )
        if time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(0.2)
    codes = [process.wait() for process in processes]
    first = failed if failed is not None else next((i for i, c in enumerate(codes) if c), None)
    if first is None:
        return 0
    return codes[first] if codes[first] > 0 else 128 - codes[first]


def _reason(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
