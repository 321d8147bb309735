"""Measures the images/s of `tfgan2 serve`, and tests its answers to too many requests.

Starts servers on free ports, each in a process of its own, and sends them requests over keep-alive
connections:

- one:    one client, one image a request, server with --max-batch 1
- many:   --clients clients, one image a request, server as it is by default
- steady: the same for --seconds, no request may fail
- above:  200 clients and a queue of 32 images: only 200 and 503 are right, and requests for health
          every 50 ms must succeed

    python benchmarks/serve_load.py generator.onnx --json serve_load.json

Exit code 1 if `many` makes less than twice the images of `one`, or any of the others fails. The
clients share the machine with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

START = "from tfgan2.cli import main; main()"


@dataclass
class Result:
    """Answers to the requests of some clients.

    Attributes:
        seconds: time that the clients took.
        statuses: number of answers by status; 0 for a connection that failed.
        latencies: of answers with status 200, in seconds.
    """

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Images a second."""
        return len(self.latencies) / self.seconds

    def milliseconds(self, share: float) -> float:
        ordered = sorted(self.latencies) or [float("nan")]
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def summary(self) -> dict[str, object]:
        return {
            "seconds": round(self.seconds, 2),
            "images_per_second": round(self.rate, 1),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            **{f"p{share}_ms": round(self.milliseconds(share / 100), 2) for share in (50, 95, 99)},
            "max_ms": round(self.milliseconds(1.0), 2),
        }


@contextlib.contextmanager
def server(file: Path, *options: str) -> Iterator[int]:
    """Starts a server on a free port; yields the port. It must exit with code 0."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, "serve", str(file), "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            sys.exit(f"the server did not start: exit code {process.wait()}")
        yield int(line.split("://")[1].split("/")[0].rsplit(":", 1)[1])
    finally:
        process.terminate()
        code = process.wait(timeout=60)
    if code:
        sys.exit(f"the server exited with code {code}")


async def ask(port: int, paths: Iterator[str], until: float, result: Result, pause: float) -> None:
    """Sends one request after the other on one connection, until a time."""
    writer = None
    while time.perf_counter() < until:
        start = time.perf_counter()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {next(paths)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            status = int(head[9:12])
        except (OSError, EOFError, IndexError):
            status, writer = 0, None
        result.statuses[status] += 1
        if status == 200:
            result.latencies.append(time.perf_counter() - start)
        elif status == 503:
            await asyncio.sleep(0.05)  # a client that does not wait at all is an attack
        if pause:
            await asyncio.sleep(pause)
    if writer is not None:
        writer.close()


def images(client: int) -> Iterator[str]:
    seed = client * 1_000_000
    while True:
        yield f"/generate.png?seed={seed}"
        seed += 1


def health() -> Iterator[str]:
    while True:
        yield from ("/healthz", "/readyz", "/metrics")


async def load(port: int, clients: int, seconds: float, *, probe: bool = False) -> list[Result]:
    """Requests images by several clients and, to probe it, the health by one more."""
    made, probed = Result(), Result()
    start = time.perf_counter()
    tasks = [ask(port, images(n), start + seconds, made, 0.0) for n in range(clients)]
    if probe:
        tasks.append(ask(port, health(), start + seconds, probed, 0.05))
    await asyncio.gather(*tasks)
    made.seconds = probed.seconds = time.perf_counter() - start
    return [made, probed]


def measure(port: int, clients: int, seconds: float, *, probe: bool = False) -> list[Result]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load(port, clients, seconds, probe=probe))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="a generator, .onnx or .tflite")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--short", type=float, default=10.0, help="seconds of one and many")
    parser.add_argument("--rounds", type=int, default=3, help="of one and many; the median counts")
    parser.add_argument("--seconds", type=float, default=60.0, help="of steady")
    parser.add_argument("--above", type=float, default=15.0, help="seconds of above")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--options", default="", help="further options of every server")
    options = parser.parse_args()
    more = options.options.split()

    found: dict[str, list[Result]] = {"one": [], "many": []}
    for _ in range(options.rounds):
        for name, clients, words in (
            ("one", 1, ["--max-batch", "1", "--max-wait-ms", "0"]),
            ("many", options.clients, []),
        ):
            with server(options.file, *words, *more) as port:
                measure(port, clients, 1.0)  # warm-up
                found[name].append(measure(port, clients, options.short)[0])
    with server(options.file, *more) as port:
        found["steady"] = measure(port, options.clients, options.seconds)[:1]
    with server(options.file, "--max-queue", "32", "--max-count", "32", *more) as port:
        above, probed = measure(port, 200, options.above, probe=True)
    found |= {"above": [above], "health": [probed]}

    shown = {
        name: sorted(results, key=lambda result: result.rate)[len(results) // 2]
        for name, results in found.items()
    }
    print(f"{'':8}{'images/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}  statuses")
    for name, result in shown.items():
        times = "".join(f"{result.milliseconds(share):9.2f}" for share in (0.5, 0.99, 1.0))
        print(f"{name:8}{result.rate:10.1f}{times}  {dict(sorted(result.statuses.items()))}")
    factor = statistics.median(r.rate for r in found["many"]) / statistics.median(
        r.rate for r in found["one"]
    )
    checks = {
        "many at least twice one": factor >= 2,
        "no failed request in steady": set(shown["steady"].statuses) == {200},
        "only 200 and 503 above": set(above.statuses) == {200, 503},
        "health green above": set(probed.statuses) == {200},
    }
    print(f"many / one: {factor:.2f}")
    for name, passed in checks.items():
        print(f"{'ok  ' if passed else 'FAIL'} {name}")
    if options.json:
        machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
        results = {name: result.summary() for name, result in shown.items()}
        report = {"machine": machine, "factor": factor, "checks": checks, "results": results}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
