"""Small scripts as workers: what the launcher passes on, and when it ends the others."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tfgan2.distributed import launcher

START = "import json, os, sys, time; me = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"


def run(script: str, workers: int = 2) -> int:
    return launcher.run([sys.executable, "-c", START + script], ["a:1", "b:2", "c:3"][:workers])


def test_output_of_the_chief_and_errors_of_all(capfd: pytest.CaptureFixture[str]) -> None:
    script = "print('out', me, os.environ['TF_CONFIG']); print('err', me, file=sys.stderr)"
    assert run(script) == 0
    output, errors = capfd.readouterr()
    task = '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}}'
    assert output == f"out 0 {task}\n"
    assert sorted(errors.splitlines()) == ["[worker 0] err 0", "[worker 1] err 1"]


def test_a_usage_error_ends_all_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    assert run("sys.exit(2) if me == 1 else time.sleep(60)") == 2
    assert time.monotonic() - started < 20 and capfd.readouterr().err == ""


def test_others_have_time_to_exit_after_a_failure(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "time.sleep([1, 0, 60][me]); print('end', me, file=sys.stderr); sys.exit([3, 5, 0][me])"
    )
    monkeypatch.setattr(launcher, "GRACE", 4.0)
    started = time.monotonic()
    assert run(script, workers=3) == 5
    assert 4 <= time.monotonic() - started < 30
    errors = capfd.readouterr().err
    assert "worker 1 failed with exit code 5: waiting for the others" in errors
    assert "end 0" in errors and "end 2" not in errors  # that one was killed


def test_a_worker_killed_by_a_signal(capfd: pytest.CaptureFixture[str]) -> None:
    script = "os.kill(os.getpid(), 9) if me else time.sleep(0.5)"
    assert run(script) == 128 + signal.SIGKILL
    assert "worker 1 failed with SIGKILL" in capfd.readouterr().err


def test_workers_go_on_when_nobody_reads_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `tfgan2 launch … |& head`."""

    class Unread(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    lines = "for _ in range(5000): print('a warning of some length', file=sys.stderr)\n"
    monkeypatch.setattr(sys, "stderr", Unread())
    assert run(f"{lines}sys.exit(5 if me else 0)") == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_go_to_all(
    number: int, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = (
        "import signal\n"
        f"signal.signal({int(number)}, lambda n, frame: (print('got', n, file=sys.stderr), "
        "sys.exit(128 + n)))\n"
        "open(f'ready{me}', 'w').close(); time.sleep(60)"
    )

    def interrupt() -> None:
        while len(list(tmp_path.glob("ready*"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    assert run(script) == 128 + number
    errors = sorted(capfd.readouterr().err.splitlines())
    assert errors == [f"[worker {index}] got {int(number)}" for index in (0, 1)]


def test_a_signal_while_the_workers_start_goes_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    start = launcher._start

    def interrupted(*arguments: Any) -> subprocess.Popen[str]:
        if arguments[-1] == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return start(*arguments)

    monkeypatch.setattr(launcher, "_start", interrupted)
    started = time.monotonic()
    assert run("time.sleep(60)") == 128 + signal.SIGTERM
    assert time.monotonic() - started < 20


def test_addresses() -> None:
    assert launcher.addresses(2, 4000) == ["127.0.0.1:4000", "127.0.0.1:4001"]
    assert len(set(launcher.addresses(5, None))) == 5
