"""The workers that `TF_CONFIG` names, and how they wait for each other. Imports no TensorFlow.

TensorFlow waits for missing workers in C++ for up to an hour: it prints nothing, and neither Ctrl-C
nor SIGTERM ends it. So `meet` lets them wait for each other first. All ask the chief again and
again. It answers with the names of those that have not asked for a while, and "go" once all have.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO
from urllib.parse import urlsplit

from tfgan2.errors import UserError, WorkerLostError

PATIENCE = 3600.0
"""Seconds until the missing workers count as lost: a queue may start workers one by one."""
NOTICE = 5.0
"""Seconds of waiting for the same workers until they are named."""
BEAT = 0.5
"""Seconds until a worker asks again."""
SILENCE = 5.0
"""Seconds after which a worker that has not asked, or a chief that has not answered, is missing."""

_GO, _WAIT, _REFUSED = "go", "wait", "refused"
_LONGEST_LINE = 65_536  # characters: thousands of addresses
_GUARD = """
import os, signal, sys, threading
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
def kill():
    print("error:", sys.argv[3], file=sys.stderr, flush=True)
    os.kill(int(sys.argv[2]), getattr(signal, "SIGKILL", signal.SIGTERM))
timer = threading.Timer(float(sys.argv[1]), kill)
timer.daemon = True
timer.start()
os.read(0, 1)
"""


@dataclass(frozen=True)
class Cluster:
    """The workers of a cluster.

    Attributes:
        workers: addresses (host:port) of all workers; the first is the chief.
        index: position of this process among them.
    """

    workers: tuple[str, ...]
    index: int


def find_cluster(strategy: str) -> Cluster | None:
    """Returns the workers that train together, or None if this process trains alone.

    Raises:
        UserError: `TF_CONFIG` is invalid, or rules the strategy out whatever devices there are.
    """
    cluster = _read(os.environ.get("TF_CONFIG") or "{}")
    workers = cluster.workers if cluster else ()
    if strategy == "multiworker" and cluster is None:
        raise UserError(
            "--strategy multiworker needs TF_CONFIG: `tfgan2 launch --workers 2 -- fit …` sets it "
            "for processes on this machine; --strategy auto uses the devices of this machine"
        )
    if strategy in ("none", "mirrored") and len(workers) > 1:
        raise UserError(
            f"TF_CONFIG names {len(workers)} workers, but --strategy {strategy} trains "
            "with one: give --strategy auto, or unset TF_CONFIG"
        )
    return cluster if len(workers) > 1 or strategy == "multiworker" else None


def _read(text: str) -> Cluster | None:
    try:
        content = json.loads(text)
        cluster = content.get("cluster", {})
        if not cluster:
            return None
        chief, others = list(cluster.get("chief", [])), list(cluster.get("worker", []))
        kind, number = content["task"]["type"], int(content["task"]["index"])
        index = number if kind == "chief" else len(chief) + number
        if set(cluster) - {"chief", "worker"} or kind not in ("chief", "worker"):
            raise ValueError(f"unknown task type {kind!r}")
        workers = tuple(str(address) for address in chief + others)
        if len(chief) > 1 or not 0 <= index < len(workers):
            raise ValueError(f"no {kind} has index {number}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"invalid TF_CONFIG ({error}): give "
            '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
        ) from error
    for address in workers:
        split_address(address)
    return Cluster(workers, index)


def split_address(address: str) -> tuple[str, int]:
    """Returns the host and the port of "host:port"; raises a UserError for anything else."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(f"//{address}")
        if parts.hostname and parts.port and parts.hostname.encode("idna"):
            return parts.hostname, parts.port
    raise UserError(f"invalid address {address!r} in TF_CONFIG: give host:port")


def meet(cluster: Cluster, say: Callable[[str], None]) -> None:
    """Returns once all workers of the cluster have called this function; `say` names the missing.

    Raises:
        UserError: the chief's port is in use, or the `TF_CONFIG` of two workers do not match.
        WorkerLostError: a worker is still missing after `PATIENCE`.
    """
    begun = since = time.monotonic()
    before = announced = ""
    for missing in _join(cluster) if cluster.index else _gather(cluster.workers):
        now = time.monotonic()
        if missing != before:
            before, since = missing, now
        elif missing != announced and now - since > NOTICE:
            say(f"waiting for {missing}")
            announced = missing
        if now - begun > PATIENCE:
            raise WorkerLostError(
                f"{missing} did not connect: start all workers, with addresses in TF_CONFIG at "
                "which they reach each other"
            )


def _gather(workers: tuple[str, ...]) -> Iterator[str]:
    """Yields the missing workers, as the chief, until all others have been told to go."""
    names = {str(index): f"worker {index} at {each}" for index, each in enumerate(workers) if index}
    waiting, heard = set(names), dict.fromkeys(names, -math.inf)
    processes: dict[str, list[str]] = {index: [] for index in names}
    with _listener(workers[0]) as listener:
        while waiting:
            late = time.monotonic() - SILENCE
            missing = [names[index] for index in names if index in waiting and heard[index] < late]
            more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
            text = ", ".join(missing[:4]) + more
            if missing:
                yield text
            with contextlib.suppress(OSError), _lines(listener.accept()[0], 2 * BEAT) as lines:
                index, process, theirs = [*lines.readline(_LONGEST_LINE).split(), "", "", ""][:3]
                known = processes.get(index, [])
                same = theirs == ",".join(workers)
                if same and process not in known:
                    known.append(process)  # in place of one that is lost
                if index not in names or not same:
                    answer = (
                        f"{_REFUSED} the TF_CONFIG of the chief at {workers[0]} names other "
                        "workers: give all the same list"
                    )
                elif process != known[-1]:
                    answer = (
                        f"{_REFUSED} another worker has index {index} too: give each worker a "
                        "TF_CONFIG with its own index"
                    )
                else:
                    heard[index] = time.monotonic()
                    answer = f"{_WAIT} {text}" if missing else _GO
                    waiting = waiting | {index} if missing else waiting - {index}
                print(answer, file=lines, flush=True)
                lines.read(1)  # the other side closes first, which frees the port for TensorFlow


def _listener(address: str) -> socket.socket:
    _, port = split_address(address)
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        listener = socket.create_server(("", port), family=family, dualstack_ipv6=both)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UserError(
            f"cannot listen at port {port}, which TF_CONFIG gives this worker: {reason}"
        ) from error
    listener.settimeout(BEAT)
    return listener


def _join(cluster: Cluster) -> Iterator[str]:
    """Yields the missing workers until the chief says that there are none."""
    chief, process = cluster.workers[0], uuid.uuid4().hex
    while True:
        answer = ""
        with (
            contextlib.suppress(OSError),
            _lines(socket.create_connection(split_address(chief), SILENCE), SILENCE) as lines,
        ):
            print(cluster.index, process, ",".join(cluster.workers), file=lines, flush=True)
            answer = lines.readline(_LONGEST_LINE).strip()
        kind, _, text = answer.partition(" ")
        if kind == _GO:
            return
        if kind == _REFUSED:
            raise UserError(text)
        yield text if kind == _WAIT else f"worker 0 at {chief}"
        time.sleep(BEAT)


@contextlib.contextmanager
def _lines(connection: socket.socket, seconds: float) -> Iterator[TextIO]:
    """Yields a connection as lines of text, each of which must come in some seconds; closes it."""
    connection.settimeout(seconds)
    with connection, connection.makefile("rw", encoding="utf-8", errors="replace") as lines:
        yield lines


@contextlib.contextmanager
def killed_after(seconds: float, message: str) -> Iterator[None]:
    """Kills this process with a message if the block takes longer, even if it holds the GIL."""
    guard = [sys.executable, "-I", "-S", "-c", _GUARD, str(seconds), str(os.getpid()), message]
    with subprocess.Popen(guard, stdin=subprocess.PIPE):  # closing its stdin ends it
        yield
