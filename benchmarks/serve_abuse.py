"""Tests whether `tfgan2 serve` answers malformed requests with 4xx and no traceback.

Starts a server for each file and sends it, in equal parts, --requests requests that break the
OpenAPI schema (drawn by schemathesis), truncated and damaged PNGs, huge counts, and bytes with huge
heads or that are no HTTP.

    python benchmarks/serve_abuse.py generator.onnx translator.onnx

Exit code 1 if an answer is no 4xx (a request that happens to be right may be answered 200; a
connection may be closed without an answer where there is no request), the server writes a
traceback, or it makes no image afterwards.
"""

from __future__ import annotations

import argparse
import io
import random
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import schemathesis
from hypothesis import HealthCheck, given, settings
from PIL import Image
from schemathesis import GenerationMode

START = "from tfgan2.cli import main; main()"


@contextmanager
def server(file: Path, errors: io.IOBase) -> Iterator[str]:
    """Starts a server on a free port, its stderr in `errors`; yields its address."""
    words = [sys.executable, "-c", START, "serve", str(file), "--port", "0", "--timeout", "10"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            errors.seek(0)
            sys.exit(f"the server did not start: {errors.read().strip()}")
        yield line.split(" at ")[1].split("/ ")[0]
    finally:
        process.terminate()
        if code := process.wait(timeout=60):
            sys.exit(f"the server exited with code {code}")


def post(url: str, body: bytes, kind: str) -> int:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def raw(port: int, content: bytes) -> int:
    """The status of the answer to bytes, 0 where the connection is closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            head = connection.recv(1 << 16)
        except OSError:  # it need not read on once it has answered
            return 0
    return int(head[9:12]) if head[:5] == b"HTTP/" else 0


def against_the_schema(url: str, count: int, statuses: Counter[int]) -> None:
    """Sends requests that break the schema."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    found = [item.ok() for item in schema.get_all_operations()]
    operations = [item for item in found if item.query or item.body]
    for operation in operations:

        @settings(
            max_examples=-(-count // len(operations)),
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        def check(case: schemathesis.Case) -> None:
            statuses[case.call().status_code] += 1

        check()


def bad_images(url: str, count: int, statuses: Counter[int]) -> None:
    """Sends PNGs that are cut off or have changed bytes."""
    rng, buffer = random.Random(1), io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    whole = buffer.getvalue()
    for number in range(count):
        content = bytearray(whole[: rng.randrange(len(whole) - 100)])
        if number % 2:
            content = bytearray(whole)
            content[rng.randrange(41, len(whole) - 12)] ^= 1 << rng.randrange(8)
        statuses[post(f"{url}/translate", bytes(content), "image/png")] += 1


def bad_counts(url: str, count: int, statuses: Counter[int]) -> None:
    """Sends numbers out of range, in bodies and in queries."""
    rng = random.Random(2)
    for number in range(count):
        value = str(rng.choice([-1, 0, 65, 10**9, 10**30, 10**400, 1.5, '"x"', "[]", "NaN"]))
        if number % 2:
            body = f'{{"{rng.choice(["count", "columns"])}": {value}}}'
            statuses[post(f"{url}/generate", body.encode(), "application/json")] += 1
        else:
            with_query = f"{url}/generate.png?count={urllib.parse.quote(value)}"
            try:
                with urllib.request.urlopen(with_query, timeout=30) as answer:
                    statuses[answer.status] += 1
            except urllib.error.HTTPError as error:
                statuses[error.code] += 1


def bad_bytes(url: str, count: int, statuses: Counter[int]) -> None:
    """Sends huge heads, and bytes that are no HTTP."""
    rng, port = random.Random(3), int(url.rsplit(":", 1)[1])
    for number in range(count):
        size = rng.randrange(66_000, 300_000)
        content = [
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"b" * size + b"\r\n\r\n",
            b"GET /healthz?" + b"a" * size + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * (size // 6) + b"\r\n",
            rng.randbytes(200) + b"\r\n\r\n",
            b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: 9" + b"9" * 30 + b"\r\n\r\n",
        ][number % 5]
        statuses[raw(port, content)] += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generator", type=Path)
    parser.add_argument("translator", type=Path)
    parser.add_argument("--requests", type=int, default=1000)
    options = parser.parse_args()
    kinds: dict[Path, list[Callable[[str, int, Counter[int]], None]]] = {
        options.generator: [against_the_schema, bad_counts, bad_bytes],
        options.translator: [against_the_schema, bad_images],
    }
    each = -(-options.requests // sum(map(len, kinds.values())))
    passed = True
    for file, senders in kinds.items():
        with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
            with server(file, errors) as url:
                for send in senders:
                    statuses: Counter[int] = Counter()
                    send(url, each, statuses)
                    right = {200} if send is against_the_schema else set()
                    right |= {0} if send is bad_bytes else set()
                    wrong = {s for s in statuses if s not in right and not 400 <= s < 500}
                    passed &= not wrong
                    shown = dict(sorted(statuses.items()))
                    print(f"{'FAIL' if wrong else 'ok  '} {send.__name__:20} {shown}")
                with urllib.request.urlopen(f"{url}/readyz", timeout=30) as answer:
                    passed &= answer.status == 200
            errors.seek(0)
            written = errors.read()
        passed &= "Traceback" not in written
        print(f"{'FAIL' if 'Traceback' in written else 'ok  '} no traceback")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
