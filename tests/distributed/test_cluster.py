"""`TF_CONFIG`, and the barrier before TensorFlow with workers in threads and raw connections."""

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

from tfgan2.distributed import cluster
from tfgan2.distributed.cluster import Cluster, find_cluster, split_address
from tfgan2.distributed.launcher import addresses
from tfgan2.errors import UserError, WorkerLostError


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 20.0)
    monkeypatch.setattr(cluster, "NOTICE", 0.5)
    monkeypatch.setattr(cluster, "BEAT", 0.2)
    monkeypatch.setattr(cluster, "SILENCE", 1.5)


class Workers:
    """Workers in threads of their own, with the lines that they print."""

    def __init__(self, count: int) -> None:
        self.addresses = tuple(addresses(count, None))
        self.said: dict[int, list[str]] = {index: [] for index in range(count)}
        self._pool = ThreadPoolExecutor(count + 1)

    def start(self, index: int, workers: tuple[str, ...] = ()) -> Future:
        own = Cluster(workers or self.addresses, index)
        return self._pool.submit(cluster.meet, own, self.said[index].append)

    def visit(self) -> socket.socket:
        """Connects to the chief without being a worker yet."""
        return until(lambda: socket.create_connection(split_address(self.addresses[0])))

    def hello(self, index: int) -> bytes:
        return f"{index} process {','.join(self.addresses)}\n".encode()


def until(attempt: Callable[[], socket.socket]) -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        try:
            return attempt()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_return_when_the_last_arrives(order: tuple[int, ...]) -> None:
    workers = Workers(3)
    first, second = (workers.start(index) for index in order[:2])
    time.sleep(2)
    assert not first.done() and not second.done()
    last = workers.start(order[2])
    for each in (first, second, last):
        each.result(timeout=10)
    if order[0] == 0:
        assert workers.said[0][-1] == f"waiting for worker 2 at {workers.addresses[2]}"
        assert workers.said[1][-1] == workers.said[0][-1]  # it hears that from the chief
    else:
        assert workers.said[2] == [f"waiting for worker 0 at {workers.addresses[0]}"]
    # The chief's port is free for TensorFlow.
    socket.create_server(split_address(workers.addresses[0])).close()


def test_a_worker_that_no_longer_asks_is_missing_again() -> None:
    workers = Workers(3)
    chief = workers.start(0)
    with workers.visit() as gone:
        gone.sendall(workers.hello(2))
    time.sleep(1.6)
    second = workers.start(1)
    time.sleep(1.0)
    assert not chief.done() and not second.done()
    workers.start(2).result(timeout=10)
    chief.result(timeout=10)


def test_missing_workers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    workers = Workers(7)
    with pytest.raises(WorkerLostError, match=r"worker 1 at .*, worker 2 at .* and 2 more did not"):
        workers.start(0).result(timeout=10)
    with pytest.raises(WorkerLostError, match=f"worker 0 at {workers.addresses[0]} did not"):
        workers.start(1).result(timeout=10)
    silent = socket.create_server(split_address(workers.addresses[0]))
    with silent, pytest.raises(WorkerLostError, match=r"worker 0 at .* did not connect"):
        workers.start(1).result(timeout=10)


def test_other_programs_are_refused() -> None:
    workers = Workers(2)
    chief = workers.start(0)
    for text in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\n",
        b"1\n",
        workers.hello(0),
        workers.hello(2),
        b"\xff\n",
        b"1 " * 30_000 + b"\n",
    ):
        with workers.visit() as stranger:
            stranger.sendall(text)
            assert stranger.recv(200).startswith(b"refused the TF_CONFIG of the chief")
            assert stranger.recv(200) == b""
    with workers.visit() as stranger:
        stranger.sendall(b"x" * 100_000)
        stranger.settimeout(5)
        with contextlib.suppress(ConnectionError):  # the chief closes without reading all of it
            assert stranger.recv(200).startswith(b"refused ")
    assert not chief.done()
    workers.start(1).result(timeout=10)
    chief.result(timeout=10)


def test_a_duplicate_index_and_another_list_are_refused() -> None:
    workers = Workers(3)
    chief, one = workers.start(0), workers.start(1)
    time.sleep(0.5)
    again = workers.start(1)
    with pytest.raises(UserError, match="another worker has index 1 too"):
        one.result(timeout=10)
    others = (*workers.addresses[:2], "elsewhere:1")
    with pytest.raises(UserError, match="names other workers: give all the same list"):
        workers.start(1, workers=others).result(timeout=10)
    assert not chief.done() and not again.done()
    workers.start(2).result(timeout=10)
    again.result(timeout=10)
    chief.result(timeout=10)


def test_a_worker_that_left_and_came_again_is_waited_for() -> None:
    workers = Workers(3)
    chief, one = workers.start(0), workers.start(1)
    time.sleep(0.5)
    with workers.visit() as lost:
        lost.sendall(workers.hello(2))  # all are there: worker 1 goes, and 2 is lost
    one.result(timeout=10)
    time.sleep(1.6)
    again = workers.start(1)
    time.sleep(1.0)
    assert not chief.done() and not again.done()
    workers.start(2).result(timeout=10)
    again.result(timeout=10)
    chief.result(timeout=10)


def test_another_program_at_the_chiefs_address_is_waited_for() -> None:
    workers = Workers(2)
    with socket.create_server(split_address(workers.addresses[0])) as old:
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


def test_a_port_in_use_is_named() -> None:
    workers = Workers(2)
    _, port = split_address(workers.addresses[0])
    with (
        socket.create_server(("", port)),
        pytest.raises(UserError, match=f"cannot listen at port {port}, .*: Address already in use"),
    ):
        workers.start(0).result(timeout=10)


def test_a_lost_peer_may_come_again() -> None:
    """The connection of a machine that loses power stays open."""
    workers = Workers(3)
    chief = workers.start(0)
    with workers.visit() as lost:
        lost.sendall(workers.hello(1))
        time.sleep(0.3)
        again = workers.start(1)
        time.sleep(2.5)
        workers.start(2).result(timeout=10)
        again.result(timeout=10)
        chief.result(timeout=10)


def test_a_lost_chief_may_come_again() -> None:
    workers = Workers(2)
    silent = socket.create_server(split_address(workers.addresses[0]))
    worker = workers.start(1)
    kept = silent.accept()[0]
    silent.close()
    chief = workers.start(0)
    with kept:
        worker.result(timeout=10)
        chief.result(timeout=10)


def test_a_block_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    (tmp_path / "signal.py").write_text("raise SystemExit")  # a user's file
    code = (
        "import ctypes, sys; sys.path.pop(0)\n"
        "from tfgan2.distributed.cluster import killed_after\n"
        "with killed_after(60, 'no'): print('quick', flush=True)\n"
        "with killed_after(1, 'too long'): ctypes.PyDLL(None).sleep(60)  # holds the GIL"
    )
    started = time.monotonic()
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert time.monotonic() - started < 30
    assert done.returncode == -signal.SIGKILL and done.stdout == "quick\n"
    assert done.stderr == "error: too long\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("index", [0, 1])
def test_signals_end_a_worker_that_waits(number: int, index: int) -> None:
    code = (
        "import signal\n"
        "from tfgan2.distributed import cluster\n"
        "from tfgan2.distributed.cluster import Cluster\n"
        # A shell lets what it starts in the background ignore SIGINT.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "cluster.NOTICE = 0.2\n"
        f"cluster.meet(Cluster({tuple(addresses(2, None))}, {index}), print)"
    )
    words = [sys.executable, "-u", "-c", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"waiting for worker")
        process.send_signal(number)
        process.communicate(timeout=10)
    assert process.returncode == -number  # after a KeyboardInterrupt too, Python exits like this


def find(monkeypatch: pytest.MonkeyPatch, config: str, strategy: str = "auto") -> Cluster | None:
    monkeypatch.setenv("TF_CONFIG", config)
    return find_cluster(strategy)


def config(cluster: dict[str, list[str]], kind: str, index: int) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


TWO = {"worker": ["a:1", "b:2"]}


def test_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert find_cluster("auto") is None
    assert find(monkeypatch, "{}") is None
    assert find(monkeypatch, config(TWO, "worker", 1)) == Cluster(("a:1", "b:2"), 1)
    chief = {"chief": ["c:3"], **TWO}
    three = ("c:3", "a:1", "b:2")
    assert find(monkeypatch, config(chief, "chief", 0)) == Cluster(three, 0)
    assert find(monkeypatch, config(chief, "worker", 1)) == Cluster(three, 2)
    for wrong in (
        "{",
        "[]",
        config(TWO, "worker", 2),
        config(TWO, "ps", 0),
        '{"cluster": {"a": 1}}',
    ):
        with pytest.raises(UserError, match="invalid TF_CONFIG"):
            find(monkeypatch, wrong)


@pytest.mark.parametrize(
    "wrong", ["localhost", "localhost:", ":1", "a:b", "a:70000", "a:0", "a..b:1", "a:²", "[]:5"]
)
def test_an_address_without_a_port_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for workers in ([wrong, "b:2"], ["a:1", wrong]):
        with pytest.raises(UserError, match="give host:port"):
            find(monkeypatch, config({"worker": workers}, "worker", 0))


def test_addresses_of_both_kinds() -> None:
    assert split_address("[::1]:12345") == ("::1", 12345)
    assert split_address("a.example:1") == ("a.example", 1)


def test_strategies_and_one_or_several_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    one = config({"worker": ["a:1"]}, "worker", 0)
    for strategy in ("auto", "none", "mirrored"):
        assert find(monkeypatch, one, strategy) is None
    assert find(monkeypatch, one, "multiworker") == Cluster(("a:1",), 0)
    for strategy in ("none", "mirrored"):
        with pytest.raises(UserError, match=f"names 2 workers, but --strategy {strategy}"):
            find(monkeypatch, config(TWO, "worker", 0), strategy)
    monkeypatch.delenv("TF_CONFIG")
    with pytest.raises(UserError, match="needs TF_CONFIG"):
        find_cluster("multiworker")
