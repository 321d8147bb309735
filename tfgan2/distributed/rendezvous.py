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
from dataclasses import dataclass, field

from tfgan2.distributed.cluster import Cluster
from tfgan2.errors import UserError, WorkerLostError

PATIENCE = 3600.0
"""Seconds that a worker waits for the others: a queue may start them one by one."""
_QUIET = 5.0
"""Seconds of waiting before it is told."""
_PAUSE = 0.2
_BEAT = 1.0
"""Seconds between two lines of the chief, each of which is answered."""
_SILENCE = 10.0
"""Seconds after which who says nothing has vanished; as long a refusal is not believed."""
_LONGEST = 65_536  # bytes of a line: thousands of addresses
_GO, _TAKEN, _OTHER, _WAIT = "go", "taken", "other", "wait"

_GUARD = """
import os, signal, sys, threading
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
over = threading.Thread(target=sys.stdin.read, daemon=True)
over.start()
over.join(float(sys.argv[1]))
if over.is_alive():
    print(sys.argv[3], file=sys.stderr, flush=True)
    os.kill(int(sys.argv[2]), getattr(signal, "SIGKILL", signal.SIGTERM))
    os._exit(0)
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
    python = [sys.executable, "-I", "-S", "-c", _GUARD]
    words = [str(seconds), str(os.getpid()), f"error: {message}"]
    guard = subprocess.Popen([*python, *words], stdin=subprocess.PIPE)
    assert guard.stdin is not None
    try:
        yield
    finally:
        guard.stdin.close()
        guard.wait()


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        host.encode("idna")
        right = host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536
    except UnicodeError:
        right = False
    if not right:
        raise UserError(f"TF_CONFIG names a worker at {address!r}: give host:port")
    return host, int(port)


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
    guests: dict[socket.socket, _Guest] = {}
    beat = 0.0
    with server, selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        server.setblocking(False)
        selector.register(server, selectors.EVENT_READ)

        def leave(guest: socket.socket, answer: str = "") -> None:
            _answer(guest, answer)
            selector.unregister(guest)
            guest.close()
            del guests[guest]

        while missing := others - {each.number for each in guests.values()}:
            waiting.check(missing)
            for key, _ in selector.select(_PAUSE):
                if key.fileobj is server:
                    with contextlib.suppress(OSError):
                        guest = stack.enter_context(server.accept()[0])
                        guest.setblocking(False)
                        selector.register(guest, selectors.EVENT_READ)
                        guests[guest] = _Guest()
                    continue
                guest = key.fileobj  # type: ignore[assignment]
                text, known = _read(guest), guests[guest]
                known.seen = time.monotonic()
                if not text:
                    leave(guest)
                elif known.number is None:
                    known.heard += text
                    here = {each.number for each in guests.values()}
                    known.number, answer = _introduced(known.heard, cluster, here)
                    if answer or len(known.heard) > _LONGEST:
                        leave(guest, answer)
            now = time.monotonic()
            for guest in [each for each in guests if now - guests[each].seen > _SILENCE]:
                leave(guest)
            if now - beat > _BEAT:
                absent = others - {each.number for each in guests.values()}
                beat, words = now, [_WAIT, *map(str, sorted(absent))]
                for guest, known in guests.items():
                    if known.number is not None:
                        _answer(guest, " ".join(words))
        for guest, known in guests.items():
            if known.number is not None:
                _answer(guest, _GO)
                # They hang up first, so that the port is free at once.
                guest.settimeout(2.0)
                while _read(guest):
                    pass


@dataclass
class _Guest:
    """Who has come to the chief: what it said, its number once known, when it was last heard."""

    heard: bytes = b""
    number: int | None = None
    seen: float = field(default_factory=time.monotonic)


def _introduced(heard: bytes, cluster: Cluster, here: set[int | None]) -> tuple[int | None, str]:
    """The number of who has said this, None if it may not come in; and what to answer it."""
    line, end, _ = heard.partition(b"\n")
    if not end:
        return None, ""
    try:
        content = json.loads(line)
        number, workers = int(content["index"]), tuple(content["workers"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None, _OTHER
    if workers != cluster.workers or not 0 < number < len(workers):
        return None, _OTHER
    return (None, _TAKEN) if number in here else (number, "")


def _go_there(cluster: Cluster, say: Say, deadline: float) -> None:
    """The part of all but the chief: until it says that all have come."""
    place = _place(cluster.workers[0])
    hello = json.dumps({"index": cluster.index, "workers": cluster.workers}) + "\n"
    waiting = _Waiting(cluster, say, deadline)
    missing, refused = [0], 0.0
    while True:
        waiting.check(missing)
        answer = ""
        with contextlib.suppress(OSError), socket.create_connection(place, timeout=2.0) as chief:
            chief.sendall(hello.encode())
            chief.settimeout(_PAUSE)
            heard, seen = b"", time.monotonic()
            while time.monotonic() - seen < _SILENCE and len(heard) < _LONGEST:
                waiting.check(missing)
                with contextlib.suppress(TimeoutError):
                    text = chief.recv(1024)
                    if not text:
                        break
                    heard, seen = heard + text, time.monotonic()
                *lines, heard = heard.split(b"\n")
                for line in lines:
                    answer, *numbers = line.decode(errors="replace").split() or [""]
                    if answer == _WAIT and all(each.isdigit() for each in numbers):
                        missing = [
                            each for each in map(int, numbers) if each < len(cluster.workers)
                        ]
                if lines and answer == _WAIT:
                    chief.sendall(b"\n")
                if answer in (_GO, _TAKEN, _OTHER):
                    break
        if answer == _GO:
            return
        now = time.monotonic()
        if answer not in (_TAKEN, _OTHER):
            # Not there yet, or one of an earlier run that has not left yet.
            missing, refused = [0], 0.0
        elif not refused:
            refused = now
        elif now - refused > _SILENCE:  # else of one that is about to leave, or has vanished
            if answer == _TAKEN:
                raise UserError(
                    f"another worker says that it is number {cluster.index}: give each a "
                    "TF_CONFIG with an index of its own"
                )
            raise UserError(
                f"the chief's TF_CONFIG at {cluster.workers[0]} names other workers: give all "
                "the same list"
            )
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
