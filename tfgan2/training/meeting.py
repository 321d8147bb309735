"""Where several workers wait for each other before TensorFlow does.

TensorFlow holds Python still while it waits for the others, up to an hour: it says nothing, and
neither Ctrl-C nor SIGTERM ends it. Here the workers meet first, at the chief's address.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from tfgan2.errors import UserError, WorkerLostError
from tfgan2.training.cluster import Cluster

PATIENCE = 3600.0
"""Seconds that a worker waits for the others: a queue may start them one by one."""
_QUIET = 5.0
"""Seconds of waiting before it is told."""
_PAUSE = 0.2
_LONGEST = 65_536  # bytes of a line: thousands of addresses
_GO, _TAKEN, _OTHER = "go", "taken", "other"

_GUARD = """
import os, select, signal, sys
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
if not select.select([0], [], [], float(sys.argv[1]))[0]:
    print(sys.argv[3], file=sys.stderr, flush=True)
    os.kill(int(sys.argv[2]), signal.SIGKILL)
"""

Say = Callable[[str], None]


def meet(cluster: Cluster, say: Say, *, patience: float = PATIENCE) -> None:
    """Returns as soon as all workers of the cluster have come here, too.

    Args:
        cluster: of this process.
        say: is told for whom it waits, if that takes long.
        patience: seconds.

    Raises:
        UserError: the addresses are not right, or not the same for all.
        WorkerLostError: another worker did not come in that time.
    """
    for address in cluster.workers:
        _place(address)
    deadline = time.monotonic() + patience
    (_receive if cluster.index == 0 else _go_there)(cluster, say, deadline)


@contextlib.contextmanager
def ended_after(seconds: float, message: str) -> Iterator[None]:
    """Kills this process, with a message, if the block takes longer, even one that holds Python."""
    guard = subprocess.Popen(
        [sys.executable, "-S", "-c", _GUARD, str(seconds), str(os.getpid()), f"error: {message}"],
        stdin=subprocess.PIPE,
    )
    assert guard.stdin is not None
    try:
        yield
    finally:
        guard.stdin.close()
        guard.wait()


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise UserError(f"TF_CONFIG names a worker at {address!r}: give host:port")
    return host.strip("[]"), int(port)


class _Waiting:
    """Tells for whom, once it takes long and whenever that changes."""

    def __init__(self, cluster: Cluster, say: Say, deadline: float) -> None:
        self._cluster, self._say, self._deadline = cluster, say, deadline
        self._since, self._told = time.monotonic(), ""

    def check(self, missing: Iterable[int]) -> None:
        """Raises a WorkerLostError where there was enough of it."""
        missing = sorted(missing)
        named = ", ".join(f"{each} at {self._cluster.workers[each]}" for each in missing[:4])
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        who = f"worker{'s' if len(missing) > 1 else ''} {named}{more}"
        now = time.monotonic()
        if now > self._deadline:
            raise WorkerLostError(
                f"{who} did not come; start all workers, with a TF_CONFIG that names addresses "
                "at which they reach each other"
            )
        if now - self._since > _QUIET and who != self._told:
            self._say(f"waiting for {who}")
            self._told = who


def _receive(cluster: Cluster, say: Say, deadline: float) -> None:
    """The chief's part: until all others have come, and none has gone again."""
    _, port = _place(cluster.workers[0])
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=128)
    except OSError as error:
        raise UserError(
            f"this worker cannot listen at port {port}, which TF_CONFIG gives it: "
            f"{os.strerror(error.errno or 0)}"
        ) from error
    waiting = _Waiting(cluster, say, deadline)
    others = set(range(1, len(cluster.workers)))
    here: dict[int, socket.socket] = {}
    with server, selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        server.setblocking(False)
        selector.register(server, selectors.EVENT_READ)
        heard: dict[socket.socket, bytes] = {}
        while here.keys() != others:
            waiting.check(others - here.keys())
            for key, _ in selector.select(_PAUSE):
                if key.fileobj is server:
                    with contextlib.suppress(OSError):
                        guest = stack.enter_context(server.accept()[0])
                        guest.setblocking(False)
                        selector.register(guest, selectors.EVENT_READ)
                        heard[guest] = b""
                    continue
                guest = key.fileobj  # type: ignore[assignment]
                text = _read(guest)
                heard[guest] += text
                number, answer = _introduced(heard[guest], cluster, here)
                if text and number is not None:
                    here[number] = guest
                elif not text or answer or len(heard[guest]) > _LONGEST:
                    here = {index: each for index, each in here.items() if each is not guest}
                    _answer(guest, answer)
                    selector.unregister(guest)
                    guest.close()
        for guest in here.values():
            _answer(guest, _GO)
        # They hang up first, so that the port is free at once.
        for guest in here.values():
            guest.settimeout(2.0)
            _read(guest)


def _introduced(
    heard: bytes, cluster: Cluster, here: dict[int, socket.socket]
) -> tuple[int | None, str]:
    """The number of who has said this, None if it may not come in; and what to answer it."""
    line, end, _ = heard.partition(b"\n")
    if not end:
        return None, ""
    try:
        content = json.loads(line)
        number, workers = int(content["index"]), tuple(content["workers"])
    except (ValueError, KeyError, TypeError):
        return None, _OTHER
    if workers != cluster.workers or not 0 < number < len(workers):
        return None, _OTHER
    return (None, _TAKEN) if number in here else (number, "")


def _go_there(cluster: Cluster, say: Say, deadline: float) -> None:
    """The part of all but the chief: until it says that all have come."""
    place = _place(cluster.workers[0])
    hello = json.dumps({"index": cluster.index, "workers": cluster.workers}) + "\n"
    waiting = _Waiting(cluster, say, deadline)
    while True:
        waiting.check([0])
        with contextlib.suppress(OSError), socket.create_connection(place, timeout=2.0) as chief:
            chief.sendall(hello.encode())
            chief.settimeout(_PAUSE)
            heard, open_ = b"", True
            while open_ and len(heard) < _LONGEST and b"\n" not in heard:
                # The chief is there, and says itself for whom it waits.
                if time.monotonic() > deadline:
                    waiting.check([0])
                with contextlib.suppress(TimeoutError):
                    text = chief.recv(1024)
                    heard, open_ = heard + text, bool(text)
            answer = heard.partition(b"\n")[0].decode(errors="replace")
            if answer == _GO:
                return
            if answer == _TAKEN:
                raise UserError(
                    f"another worker says that it is number {cluster.index}: give each a "
                    "TF_CONFIG with an index of its own"
                )
            if answer == _OTHER:
                raise UserError(
                    f"the chief's TF_CONFIG at {cluster.workers[0]} names other workers: give all "
                    "the same list"
                )
        # Not there yet, or one of an earlier run that has not left yet.
        time.sleep(_PAUSE)


def _answer(guest: socket.socket, word: str) -> None:
    with contextlib.suppress(OSError):
        guest.sendall(f"{word}\n".encode() if word else b"")


def _read(guest: socket.socket) -> bytes:
    """What has come; nothing where it hung up."""
    try:
        return guest.recv(_LONGEST)
    except OSError:
        return b""
