"""Checks that training survives a machine that loses its network or freezes.

    sudo "$(command -v python)" benchmarks/lost_machine.py

Two network namespaces stand for two machines with a cable between them (Linux, iproute2, root).
Trains a run on both to its end, then the same run with three faults: the cable is cut, or the
worker of one machine freezes (SIGSTOP), the chief's or the other's. The remaining workers must exit
within a minute. After each fault, both machines resume. At the end, both runs are compared bitwise.
Exit code 1 if a worker does not exit, or if the runs differ.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from command_line import errors_in_one_line
from kill_resume import MOST_SECONDS, difference

from tfgan2.training import checkpoints

NAMES = ("tfgan2-a", "tfgan2-b")
ADDRESSES = ("10.87.0.1", "10.87.0.2")
FAULTS = ("the cable is cut", "machine 0 freezes", "machine 1 freezes")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextlib.contextmanager
def machines() -> Iterator[None]:
    """Creates two namespaces; each end of the cable has the name of its machine."""
    try:
        for name in NAMES:
            ip("netns", "add", name)
        ip("link", "add", NAMES[0], "type", "veth", "peer", "name", NAMES[1])
        for name, address in zip(NAMES, ADDRESSES, strict=True):
            ip("link", "set", name, "netns", name)
            ip("-n", name, "addr", "add", f"{address}/24", "dev", name)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", name, "up")
        yield
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)


def start(words: list[str]) -> list[subprocess.Popen[str]]:
    """Starts a worker on each machine."""
    workers = [f"{address}:12345" for address in ADDRESSES]
    code = [sys.executable, "-c", "from tfgan2.cli import main; main()", "fit", *words]
    started = []
    for index, name in enumerate(NAMES):
        config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(config), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = ["ip", "netns", "exec", name, *code]
        started.append(
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started


def finish(words: list[str]) -> None:
    ended = [(process.communicate()[1], process.returncode) for process in start(words)]
    for errors, code in ended:
        if code:
            sys.exit(f"failed: {errors[-500:]}")


def wait_for_step(run: Path, step: int, processes: list[subprocess.Popen[str]]) -> None:
    while not any(int(path.stem[5:]) >= step for path in checkpoints.paths(run)):
        if any(process.poll() is not None for process in processes):
            for process in processes:
                process.kill()
            sys.exit(f"ended before step {step}: {[each.communicate()[1] for each in processes]}")
        time.sleep(0.1)


def interrupt(fault: str, words: list[str], run: Path, step: int) -> bool:
    """Trains until the fault; prints how each worker exits, and returns whether all did in time."""
    processes = start(words)
    wait_for_step(run, step, processes)
    frozen = int(fault.split()[1]) if "freezes" in fault else None
    if frozen is None:
        ip("-n", NAMES[1], "link", "set", NAMES[1], "down")
    else:
        processes[frozen].send_signal(signal.SIGSTOP)
    since = time.monotonic()
    exited = True
    for index, process in enumerate(processes):
        if index == frozen:
            continue
        try:
            errors = process.communicate(timeout=3 * MOST_SECONDS)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            errors = "killed"
        took = time.monotonic() - since
        last = (errors.strip().splitlines() or ["nothing"])[-1]
        clear = process.returncode == 1 and last.startswith("error: another worker was lost")
        exited = exited and clear and took < MOST_SECONDS
        print(f"{fault}: worker {index} exited after {took:.1f} s\n  {last}", flush=True)
    if frozen is None:
        ip("-n", NAMES[1], "link", "set", NAMES[1], "up")
    else:
        processes[frozen].kill()
        processes[frozen].communicate()
    return exited


@errors_in_one_line()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4000)
    options = parser.parse_args()
    success = True
    with machines(), tempfile.TemporaryDirectory() as folder:
        whole, faulty = Path(folder, "whole"), Path(folder, "faulty")
        words = ["dcgan", "--dataset", "digits", "--set", "base_channels=4", "--batch-size", "16"]
        words += ["--steps", str(options.steps), "--checkpoint-every", "50", "--out"]
        finish([*words, str(whole)])
        for number, fault in enumerate(FAULTS, 1):
            current = ["--resume", str(faulty)] if faulty.exists() else [*words, str(faulty)]
            step = number * options.steps // (len(FAULTS) + 1)
            success = interrupt(fault, current, faulty, step) and success
        finish(["--resume", str(faulty)])
        different = difference(whole, faulty)
        print(f"different: {different}" if different else "resumed: bitwise equal")
    return 0 if success and not different else 1


if __name__ == "__main__":
    sys.exit(main())
