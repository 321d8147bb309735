"""Starts the workers of a cluster as processes of this machine, and ends them together."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from tfgan2.training.interruption import signals

GRACE = 58.0
"""Seconds that the other workers have to exit once one has failed: all end within a minute."""
_STOPPED = (0, *(128 + number for number in signals()))
"""Exit codes of a worker that finished, or was stopped by a signal, as all others are then."""
_USAGE_ERROR = 2
"""Exit code of a worker that will never reach the rendezvous, where the others wait for it."""


def addresses(workers: int, port: int | None) -> list[str]:
    """Returns one address per worker, at consecutive ports from `port`, or at free ports."""
    if port is not None:
        return [f"127.0.0.1:{port + index}" for index in range(workers)]
    with contextlib.ExitStack() as stack:  # all open at once, so that no port comes twice
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
        return [f"127.0.0.1:{stack.enter_context(each).getsockname()[1]}" for each in servers]


def run(command: Sequence[str], workers: Sequence[str]) -> int:
    """Runs a command as each worker of a cluster until all have exited.

    Standard output is the chief's. Standard error is that of all workers, each line with the
    worker's number. SIGINT, SIGTERM and SIGHUP go to all workers. Once a worker fails, the others
    have `GRACE` seconds to exit before they are killed, or none after a usage error.

    Returns the exit code of the first worker that failed (128 + n after signal n), or 0.
    """
    received: list[int] = []

    def note(number: int, frame: object) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in signals()}
    try:
        processes = [_start(command, workers, index) for index in range(len(workers))]
        relays = [
            threading.Thread(target=_relay, args=item, daemon=True) for item in enumerate(processes)
        ]
        for relay in relays:
            relay.start()
        code = _wait(processes, received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for relay in relays:
        relay.join(timeout=5)
    return code if code >= 0 else 128 - code


def _start(command: Sequence[str], workers: Sequence[str], index: int) -> subprocess.Popen[str]:
    task = {"cluster": {"worker": list(workers)}, "task": {"type": "worker", "index": index}}
    return subprocess.Popen(
        command,
        # Without a log level, TensorFlow reports every connection to a lost worker.
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "TF_CONFIG": json.dumps(task)},
        stdout=None if index == 0 else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # a terminal's Ctrl-C reaches them once, from here
    )


def _relay(index: int, process: subprocess.Popen[str]) -> None:
    for line in process.stderr or ():
        _say(f"[worker {index}] {line}")


def _say(text: str) -> None:
    # Without a reader of stderr the workers go on: their pipes must not fill up.
    with contextlib.suppress(OSError):
        print(text, end="", file=sys.stderr, flush=True)


def _wait(processes: Sequence[subprocess.Popen[str]], received: list[int]) -> int:
    """Waits for all processes, as `run` describes; returns the code of the first that failed.

    Forwards the signals in `received`, to which handlers append while it waits.
    """
    running = dict(enumerate(processes))
    stopped = failed = 0
    deadline = math.inf
    while running:
        while received:
            number = received.pop(0)
            for process in running.values():
                with contextlib.suppress(ValueError):  # on Windows Ctrl-C reaches them by itself
                    process.send_signal(number)
        for index, process in list(running.items()):
            code = process.poll()
            if code is None:
                continue
            del running[index]
            if code in _STOPPED:
                stopped = stopped or code
            elif not failed:
                failed = code
                deadline = time.monotonic() + (0 if code == _USAGE_ERROR else GRACE)
                if code != _USAGE_ERROR:
                    cause = f"exit code {code}" if code > 0 else signal.Signals(-code).name
                    _say(f"worker {index} failed with {cause}: waiting for the others\n")
        if time.monotonic() >= deadline:
            for process in running.values():
                process.kill()
        time.sleep(0.1)
    return failed or stopped
