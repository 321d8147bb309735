"""Workers that wait for each other, before TensorFlow."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tfgan2.distributed import rendezvous as meeting
from tfgan2.distributed.cluster import Cluster
from tfgan2.distributed.launcher import addresses
from tfgan2.errors import UserError, WorkerLostError


@pytest.fixture(autouse=True)
def soon_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "_QUIET", 0.3)
    monkeypatch.setattr(meeting, "_BEAT", 0.2)
    monkeypatch.setattr(meeting, "_SILENCE", 1.5)


class Workers:
    """Each in a thread of its own, with what it said."""

    def __init__(self, count: int) -> None:
        self.addresses = tuple(addresses(count, None))
        self.said: dict[int, list[str]] = {index: [] for index in range(count)}
        self._pool = ThreadPoolExecutor(count + 1)

    def start(self, index: int, patience: float = 20, workers: tuple[str, ...] = ()) -> Future:
        cluster = Cluster(workers or self.addresses, index)
        say = self.said[index].append
        return self._pool.submit(meeting.meet, cluster, say, patience=patience)

    def visit(self) -> socket.socket:
        """The connection of one that is no worker (yet)."""
        host, _, port = self.addresses[0].partition(":")
        return until(lambda: socket.create_connection((host, int(port))))

    def hello(self, index: int) -> bytes:
        return json.dumps({"index": index, "workers": self.addresses}).encode() + b"\n"


def until(attempt: Callable[[], socket.socket]) -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        try:
            return attempt()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_go_when_the_last_has_come(order: tuple[int, ...]) -> None:
    workers = Workers(3)
    first, second = (workers.start(index) for index in order[:2])
    time.sleep(1.5)
    assert not first.done() and not second.done()
    last = workers.start(order[2])
    for each in (first, second, last):
        each.result(timeout=10)
    if order[0] == 0:
        assert workers.said[0][-1] == f"waiting for worker 2 at {workers.addresses[2]}"
        assert workers.said[1][-1] == workers.said[0][-1]  # the chief tells
    else:
        assert workers.said[2] == [f"waiting for worker 0 at {workers.addresses[0]}"]
    # The chief's port is free for TensorFlow.
    socket.create_server(("127.0.0.1", int(workers.addresses[0].rpartition(":")[2]))).close()


def test_one_who_has_gone_again_is_waited_for() -> None:
    workers = Workers(3)
    chief = workers.start(0)
    with workers.visit() as gone:
        gone.sendall(workers.hello(2))
        time.sleep(0.2)
    second = workers.start(1)
    time.sleep(1.0)
    assert not chief.done() and not second.done()
    workers.start(2).result(timeout=10)
    chief.result(timeout=10)


def test_those_who_do_not_come_are_named() -> None:
    workers = Workers(7)
    with pytest.raises(WorkerLostError, match=r"workers 1 at .*, 2 at .* and 2 more did not come"):
        workers.start(0, patience=1.0).result(timeout=10)
    with pytest.raises(WorkerLostError, match=f"worker 0 at {workers.addresses[0]} did not come"):
        workers.start(1, patience=1.0).result(timeout=10)
    silent = socket.create_server(("127.0.0.1", int(workers.addresses[0].rpartition(":")[2])))
    with silent, pytest.raises(WorkerLostError, match=r"worker 0 at .* did not come"):
        workers.start(1, patience=1.0).result(timeout=10)


def test_what_is_no_worker_is_sent_away() -> None:
    workers = Workers(2)
    chief = workers.start(0)
    for text in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"[]\n",
        b'{"index": 0, "workers": []}\n',
        b"\xff\n",
        b'{"index": 1e999, "workers": []}\n',
        b"[" * 60_000 + b"\n",
    ):
        with workers.visit() as stranger:
            stranger.sendall(text)
            assert stranger.recv(100) == b"other\n"
            assert stranger.recv(100) == b""
    with workers.visit() as stranger:
        stranger.sendall(b"x" * 100_000)
        stranger.settimeout(5)
        with contextlib.suppress(ConnectionError):  # some of it was never read
            assert stranger.recv(100) == b""
    assert not chief.done()
    workers.start(1).result(timeout=10)
    chief.result(timeout=10)


def test_the_same_number_or_another_list_is_refused() -> None:
    workers = Workers(3)
    chief, one = workers.start(0), workers.start(1)
    time.sleep(0.5)
    with pytest.raises(UserError, match="another worker says that it is number 1"):
        workers.start(1).result(timeout=10)
    others = (*workers.addresses[:2], "elsewhere:1")
    with pytest.raises(UserError, match="names other workers: give all the same list"):
        workers.start(2, workers=others).result(timeout=10)
    workers.start(2).result(timeout=10)
    one.result(timeout=10)
    chief.result(timeout=10)


def test_one_of_an_earlier_run_at_the_chiefs_place_is_waited_for() -> None:
    workers = Workers(2)
    host, _, port = workers.addresses[0].partition(":")
    with socket.create_server((host, int(port))) as old:
        worker = workers.start(1)

        def answer() -> None:
            guest = old.accept()[0]
            guest.sendall(b"\0\0\6\4 not for you")  # as gRPC would
            guest.close()

        thread = threading.Thread(target=answer)
        thread.start()
        thread.join(10)
    workers.start(0).result(timeout=10)
    worker.result(timeout=10)


@pytest.mark.parametrize(
    "wrong", ["localhost", "localhost:", ":1", "a:b", "a:70000", "a..b:1", "a:²", "[]:5"]
)
def test_an_address_without_a_port_is_refused(wrong: str) -> None:
    with pytest.raises(UserError, match="give host:port"):
        meeting.meet(Cluster((wrong, "b:2"), 0), print)
    with pytest.raises(UserError, match="give host:port"):
        meeting.meet(Cluster(("a:1", wrong), 0), print)


def test_a_port_that_is_taken_is_named() -> None:
    workers = Workers(2)
    port = int(workers.addresses[0].rpartition(":")[2])
    with (
        socket.create_server(("", port)),
        pytest.raises(UserError, match=f"cannot listen at port {port}, .*: Address already in use"),
    ):
        workers.start(0).result(timeout=10)


def test_one_that_vanished_may_come_again() -> None:
    """Of a machine without power the connection stays open."""
    workers = Workers(3)
    chief = workers.start(0)
    with workers.visit() as vanished:
        vanished.sendall(workers.hello(1))
        time.sleep(0.3)
        again = workers.start(1)
        time.sleep(2.5)
        workers.start(2).result(timeout=10)
        again.result(timeout=10)
        chief.result(timeout=10)


def test_a_chief_that_vanished_is_looked_for_again() -> None:
    workers = Workers(2)
    host, _, port = workers.addresses[0].partition(":")
    silent = socket.create_server((host, int(port)))
    worker = workers.start(1)
    kept = silent.accept()[0]
    silent.close()
    chief = workers.start(0)
    with kept:
        worker.result(timeout=10)
        chief.result(timeout=10)


def test_a_block_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    (tmp_path / "signal.py").write_text("raise SystemExit")  # a user's file
    code = (
        "import ctypes, sys; sys.path.pop(0)\n"
        "from tfgan2.distributed.rendezvous import ended_after\n"
        "with ended_after(60, 'no'): print('quick', flush=True)\n"
        "with ended_after(1, 'too long'): ctypes.PyDLL(None).sleep(60)  # holds Python"
    )
    started = time.monotonic()
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert time.monotonic() - started < 30
    assert done.returncode == -signal.SIGKILL and done.stdout == "quick\n"
    assert done.stderr == "error: too long\n"
