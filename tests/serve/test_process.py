"""`tfgan2 serve` as a process: signals, overload, and what comes over the wire."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from tfgan2 import cli
from tfgan2.errors import UserError
from tfgan2.serve.server import _bind


def grey(size):
    """A grey picture of that many pixels at each edge, as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size), 99, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def translate(server, content):
    kind = {"Content-Type": "image/png"}
    return httpx.post(f"{server.url}/translate", content=content, headers=kind, timeout=60)


def in_progress(server):
    for line in httpx.get(f"{server.url}/metrics").text.splitlines():
        if line.startswith("tfgan2_requests_in_progress"):
            return float(line.split()[1])
    raise AssertionError("no such metric")


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(generators, start, number):
    server = start(generators / "generator.onnx")
    assert httpx.get(f"{server.url}/generate.png?label=dog").status_code == 200
    assert server.stop(number) == 0
    assert server.errors.splitlines() == [
        f"{signal.Signals(number).name}: finishing requests in progress (a second one exits now)"
    ]


def test_requests_in_progress_are_answered_before_it_ends(slow, start):
    server = start(slow)
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(translate, server, grey(800)) for _ in range(3)]
        wait_until(lambda: in_progress(server) == 3)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 503)
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        # New ones are refused a moment after it has told that it ends.
        wait_until(lambda: translate(server, grey(16)).status_code == 503)
        assert [answer.result().status_code for answer in answers] == [200, 200, 200]
    assert server.wait() == 0


def test_it_ends_in_time_whatever_is_in_progress(slow, start):
    server = start(slow, "--drain-timeout", "0.3")
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(translate, server, grey(2000)) for _ in range(4)]
        wait_until(lambda: in_progress(server) == 4)
        start_time = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - start_time < 10
        assert {answer.result().status_code for answer in answers} <= {200, 503}
        assert answers[-1].result().status_code == 503
    assert "requests were aborted" in server.errors
    assert "Traceback" not in server.errors


def test_new_requests_are_still_taken_for_a_while(generators, start):
    server = start(generators / "generator.onnx", "--drain-delay", "1.5")
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 503)
    assert httpx.get(f"{server.url}/generate.png").status_code == 200
    assert server.wait() == 0


def test_overload_gives_503_and_health_stays_quick(slow, start):
    server = start(slow, "--max-queue", "2", "--max-count", "1")
    picture = grey(700)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(translate, server, picture) for _ in range(16)]
        times = []
        while not all(answer.done() for answer in answers):
            for path in ("healthz", "readyz", "metrics"):
                begin = time.perf_counter()
                assert httpx.get(f"{server.url}/{path}").status_code == 200
                times.append(time.perf_counter() - begin)
        statuses = [answer.result().status_code for answer in answers]
    assert set(statuses) == {200, 503}
    assert np.median(times) < 0.3  # the model takes longer for each picture
    assert server.stop() == 0


def raw(server, *parts):
    """What comes back for bytes, until the connection is closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            got = b""
            while block := connection.recv(1 << 16):
                got += block
        except OSError:  # it need not read on once it has answered
            pass
    return got


def test_bytes_that_are_no_request(generators, start):
    server = start(generators / "generator.onnx")
    get = b"GET /generate.png HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    assert raw(server, get + b"\r\n").startswith(b"HTTP/1.1 200")
    for wrong in (
        b"\x00\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        get + b"A" * 70_000 + b": b\r\n\r\n",
        get + b"A: " + b"b" * 70_000 + b"\r\n\r\n",
        get + b"".join(b"A%d: b\r\n" % n for n in range(7_000)) + b"\r\n",
        b"GET /?" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        assert raw(server, wrong)[:10] in (b"HTTP/1.1 4", b""), wrong[:80]
    # Without an end, a head is refused once it is too large.
    assert raw(server, b"GET / HTTP/1.1\r\nA: ", *[b"b" * 10_000] * 8)[:10] in (b"HTTP/1.1 4", b"")
    assert httpx.get(f"{server.url}/generate.png").status_code == 200
    assert server.stop() == 0
    assert "Traceback" not in server.errors


def test_a_body_that_does_not_come_is_408(generators, start):
    server = start(generators / "generator.onnx", "--timeout", "0.3")
    head = b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    assert raw(server, head + b"{").startswith(b"HTTP/1.1 408")
    assert server.stop() == 0
    assert "Traceback" not in server.errors


def test_bad_calls_are_one_line(generators, worded, tmp_path, capfd):
    (tmp_path / "text.onnx").write_text("no model")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        file = str(generators / "generator.onnx")
        for words, message in (
            ([str(tmp_path / "none.onnx")], "does not exist"),
            ([str(tmp_path)], "is a folder"),
            ([str(tmp_path / "text.onnx")], "is not an ONNX file"),
            ([str(worded.with_name("text_encoder.onnx"))], "encodes texts"),
            ([file, "--port", port], f"cannot serve at 127.0.0.1 port {port}"),
            ([file, "--host", "no.such.host.invalid"], "cannot serve at no.such.host.invalid"),
            ([file, "--host", "a..b"], "cannot serve at a..b port 8000: "),
            ([file, "--max-queue", "3"], "has no room for"),
            ([file, "--port", "70000"], "'--port'"),
            ([file, "--timeout", "0"], "timeout must be at least 0.001"),
        ):
            assert cli.run(["serve", *words]) == 2, words
            (line,) = capfd.readouterr().err.splitlines()
            assert line.startswith("error: ") and message in line


def test_a_port_is_taken_before_the_model_is_loaded():
    with _bind("127.0.0.1", 0) as bound, pytest.raises(UserError, match="give another --host or"):
        _bind("127.0.0.1", bound.getsockname()[1])


@pytest.mark.parametrize("name", ["fastapi", "uvicorn", "prometheus_client"])
def test_a_missing_extra_is_one_line(generators, name):
    code = (
        f"import sys; sys.modules[{name!r}] = None\n"  # cannot be imported
        "from tfgan2.cli import main; main()"
    )
    words = [sys.executable, "-c", code, "serve", str(generators / "generator.onnx")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"error: tfgan2 serve needs {name}: pip install 'tfgan2[serve]'\n"
