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
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(workers)
        ]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def run(command: Sequence[str], workers: Sequence[str], *, cwd: Path) -> int:
    """Runs a command as each worker of a cluster until all have exited.

    Standard output is the chief's. Standard error is that of all workers, each line with the
    worker's number. SIGINT, SIGTERM and SIGHUP go to all workers. Once a worker fails, the others
    have `GRACE` seconds to exit before they are killed, or none after a usage error.

    Args:
        command: what each worker runs, with `TF_CONFIG` set.
        workers: addresses (host:port) of the workers.
        cwd: working directory.

    Returns:
        The exit code of the first worker that failed (128 + n after signal n), or 0.
    """
    processes = [_start(command, workers, index, cwd) for index in range(len(workers))]
    relays = [
        threading.Thread(target=_relay, args=(process, index), daemon=True)
        for index, process in enumerate(processes)
    ]
    for relay in relays:
        relay.start()
    with _forwarded_signals(processes):
        code = _wait(processes)
    for relay in relays:
        relay.join(timeout=5)
    return code


def _start(
    command: Sequence[str], workers: Sequence[str], index: int, cwd: Path
) -> subprocess.Popen[str]:
    task = {"cluster": {"worker": list(workers)}, "task": {"type": "worker", "index": index}}
    # Without a log level, TensorFlow reports every connection to a lost worker.
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "TF_CONFIG": json.dumps(task)}
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=None if index == 0 else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # a terminal's Ctrl-C reaches them once, from here
    )


def _relay(process: subprocess.Popen[str], index: int) -> None:
    for line in process.stderr or ():
        print(f"[worker {index}] {line}", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _forwarded_signals(processes: Sequence[subprocess.Popen[str]]) -> Iterator[None]:
    def forward(number: int, frame: object) -> None:
        for process in processes:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(processes: Sequence[subprocess.Popen[str]]) -> int:
    """Waits for all processes, as `run` describes, and returns its exit code."""
    codes: dict[int, int] = {}  # in the order in which the workers exit
    deadline = float("inf")
    while len(codes) < len(processes):
        for index, process in enumerate(processes):
            if index in codes or (code := process.poll()) is None:
                continue
            codes[index] = code
            if code in _STOPPED or deadline < float("inf"):
                continue
            deadline = time.monotonic() + (0 if code == _USAGE_ERROR else GRACE)
            if code != _USAGE_ERROR:
                cause = f"exit code {code}" if code > 0 else signal.Signals(-code).name
                text = f"worker {index} failed with {cause}: waiting for the others"
                print(text, file=sys.stderr, flush=True)
        if time.monotonic() >= deadline:
            for process in processes:
                process.kill()
        time.sleep(0.1)
    failures = [code for code in codes.values() if code not in _STOPPED]
    first = next(iter([*failures, *filter(None, codes.values())]), 0)
    return first if first >= 0 else 128 - first
