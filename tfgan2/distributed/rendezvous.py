"""A barrier where all workers wait for each other before TensorFlow connects them.

TensorFlow waits in C++ for up to an hour: it prints nothing, and neither Ctrl-C nor SIGTERM ends
it. Here each worker keeps a connection to the chief. The chief repeatedly sends its peers the
names of the missing workers, which they answer, and "go" once no worker is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from tfgan2.distributed.cluster import Cluster, split_address
from tfgan2.errors import UserError, WorkerLostError

PATIENCE = 3600.0
"""Seconds until the missing workers count as lost: a queue may start workers one by one."""
NOTICE = 5.0
"""Seconds of waiting for the same workers until they are named."""
BEAT = 0.5
"""Seconds between two messages of the chief."""
SILENCE = 10.0
"""Seconds without a message until a peer counts as lost. Until then it keeps its index."""

_WAIT, _GO, _OTHER, _TAKEN = "wait", "go", "other", "taken"
_REFUSALS = {
    _TAKEN: "another worker has index {index} too: give each worker a TF_CONFIG with its own index",
    _OTHER: "the TF_CONFIG of the chief at {chief} names other workers: give all the same list",
}
_LONGEST_LINE = 65_536  # bytes: thousands of addresses
_DISCONNECTS = (OSError, ValueError, asyncio.TimeoutError)  # ValueError: the line is too long
_GUARD = """
import os, signal, sys, threading
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
finished = threading.Thread(target=sys.stdin.read, daemon=True)
finished.start()
finished.join(float(sys.argv[1]))
if finished.is_alive():
    print("error:", sys.argv[3], file=sys.stderr, flush=True)
    os.kill(int(sys.argv[2]), getattr(signal, "SIGKILL", signal.SIGTERM))
    os._exit(0)
"""


def meet(cluster: Cluster, say: Callable[[str], None]) -> None:
    """Returns once all workers of the cluster have called this function.

    Args:
        cluster: the cluster, with the index of this process.
        say: prints a line; called with the workers that are missing.

    Raises:
        UserError: the chief's port is in use, or the `TF_CONFIG` of two workers do not match.
        WorkerLostError: a worker is still missing after `PATIENCE`.
    """
    asyncio.run(_Rendezvous(cluster, say).meet())


class _Rendezvous:
    def __init__(self, cluster: Cluster, say: Callable[[str], None]) -> None:
        self._say, self._index = say, cluster.index
        self._addresses, self._workers = cluster.workers, ",".join(cluster.workers)
        self._host, self._port = split_address(cluster.workers[0])
        self._missing = f"worker 0 at {cluster.workers[0]}"
        self._peers: dict[str, asyncio.StreamWriter] = {}

    async def meet(self) -> None:
        announcing = asyncio.create_task(self._announce())
        try:
            await asyncio.wait_for(self._join() if self._index else self._gather(), PATIENCE)
        except asyncio.TimeoutError:
            raise WorkerLostError(
                f"{self._missing} did not connect: start all workers, with addresses in TF_CONFIG "
                "at which they reach each other"
            ) from None
        finally:
            announcing.cancel()

    async def _announce(self) -> None:
        announced = ""
        while True:
            missing = self._missing
            await asyncio.sleep(NOTICE)
            if announced != missing == self._missing:
                self._say(f"waiting for {missing}")
                announced = missing

    async def _gather(self) -> None:
        """Waits, as the chief, until all other workers are connected at the same time."""
        try:
            server = await asyncio.start_server(self._admit, port=self._port, limit=_LONGEST_LINE)
        except OSError as error:
            raise UserError(
                f"cannot listen at port {self._port}, which TF_CONFIG gives this worker: "
                f"{os.strerror(error.errno or 0)}"
            ) from error
        with contextlib.closing(server):
            while missing := [
                f"{index} at {address}"
                for index, address in enumerate(self._addresses)
                if index and str(index) not in self._peers
            ]:
                more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
                plural = "s" if len(missing) > 1 else ""
                self._missing = f"worker{plural} {', '.join(missing[:4])}{more}"
                self._send_all(f"{_WAIT} {self._missing}")
                await asyncio.sleep(BEAT)
            self._send_all(_GO)
        # Peers that close their connections first free the port for TensorFlow.
        deadline = time.monotonic() + 2
        while self._peers and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    def _send_all(self, line: str) -> None:
        for writer in self._peers.values():
            writer.write(f"{line}\n".encode())

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles a connection to the chief until the other side disconnects or is lost."""
        with contextlib.closing(writer), contextlib.suppress(*_DISCONNECTS):
            index, _, workers = (await _receive(reader)).partition(" ")
            if workers != self._workers or index not in map(str, range(1, len(self._addresses))):
                writer.write(f"{_OTHER}\n".encode())
            elif index in self._peers:
                writer.write(f"{_TAKEN}\n".encode())
            else:
                self._peers[index] = writer
                try:
                    while await _receive(reader):
                        pass
                finally:
                    del self._peers[index]

    async def _join(self) -> None:
        """Waits, as any other worker, until the chief says that all are connected."""
        absent, refused_since = self._missing, time.monotonic()
        while True:
            answer = ""
            with contextlib.suppress(*_DISCONNECTS):
                connecting = asyncio.open_connection(self._host, self._port, limit=_LONGEST_LINE)
                reader, writer = await asyncio.wait_for(connecting, SILENCE)
                with contextlib.closing(writer):
                    writer.write(f"{self._index} {self._workers}\n".encode())
                    while (answer := await _receive(reader)).startswith(_WAIT):
                        self._missing = answer.partition(" ")[2]
                        writer.write(b".\n")
            if answer == _GO:
                return
            if answer not in _REFUSALS:  # no chief yet, or another program at its address
                self._missing, refused_since = absent, time.monotonic()
            elif time.monotonic() - refused_since > SILENCE:
                chief = self._addresses[0]
                raise UserError(_REFUSALS[answer].format(index=self._index, chief=chief))
            await asyncio.sleep(0.2)


async def _receive(reader: asyncio.StreamReader) -> str:
    """Returns the next line without its end, or "" at the end of the connection."""
    line = await asyncio.wait_for(reader.readline(), SILENCE)
    return line.decode(errors="replace").strip()


@contextlib.contextmanager
def killed_after(seconds: float, message: str) -> Iterator[None]:
    """Kills this process with a message if the block takes longer, even if it holds the GIL."""
    guard = [sys.executable, "-I", "-S", "-c", _GUARD, str(seconds), str(os.getpid()), message]
    with subprocess.Popen(guard, stdin=subprocess.PIPE):  # closing its stdin ends it
        yield
