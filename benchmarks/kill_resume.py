"""Tests whether a run that is killed at random moments and resumed ends with the same weights.

Trains one run to its end. Trains the same configuration in a second folder, kills it --kills times
with SIGKILL (while TensorFlow loads, compiles, trains or writes) and resumes it each time. Compares
every array of the last checkpoints bitwise, and the lines of stats.jsonl apart from times.

    python benchmarks/kill_resume.py --kills 10 --steps 1500
    python benchmarks/kill_resume.py --kills 10 --steps 1500 --workers 2

With --workers several processes train, and a random one is killed: the others must exit within a
minute. Exit code 1 if they do not, or if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tfgan2.training import checkpoints, stats

MOST_SECONDS = 60  # for the other workers to exit


def command(workers: int, *words: str) -> list[str]:
    launch = ["launch", "--workers", str(workers), "--"] if workers > 1 else []
    return [sys.executable, "-c", "from tfgan2.cli import main; main()", *launch, "fit", *words]


def finish(words: list[str], run: Path) -> tuple[float, float]:
    """Runs to the end; returns the seconds until the first statistics, and those after."""
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    trains = None
    while process.poll() is None:
        if trains is None and stats.read(run):
            trains = time.monotonic()
        time.sleep(0.05)
    if process.returncode:
        sys.exit(f"failed: {' '.join(words)}")
    end = time.monotonic()
    trains = trains or end
    return trains - started, end - trains


def victim(process: subprocess.Popen[bytes], moments: random.Random) -> int:
    """Process id of the training, or of a random worker."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    children = path.read_text(encoding="utf-8").split() if "launch" in process.args else []
    return int(moments.choice(children)) if children else process.pid


def step(run: Path) -> int:
    """The last step in the statistics."""
    lines = stats.read(run) if run.exists() else []
    return int(lines[-1]["step"]) if lines else 0


def kill(
    words: list[str], seconds: float, most: int, run: Path, moments: random.Random
) -> float | None:
    """Starts a run and kills it after `seconds`, or after `most` steps if they come first.

    Returns:
        Seconds until all processes had ended; None if the run ended before it was killed.
    """
    quiet = subprocess.DEVNULL if "launch" in words else None  # a lost worker causes many messages
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=quiet)
    started, last = time.monotonic(), step(run) + most
    while time.monotonic() - started < seconds and step(run) < last:
        if process.poll() is not None:
            return None
        time.sleep(0.02)
    if process.poll() is not None:
        return None
    os.kill(victim(process, moments), signal.SIGKILL)
    killed = time.monotonic()
    process.wait()
    took = time.monotonic() - killed
    files = checkpoints.paths(run)
    found = files[0].stem if files else "no checkpoint"
    partial = len(list(run.glob("*/.*.partial-*"))) + len(list(run.glob(".*.partial-*")))
    left = f", {partial} half-written file" if partial else ""
    others = f", the others exited after {took:.1f} s" if "launch" in words else ""
    print(f"killed after {killed - started:5.1f} s: {found}{left}{others}", flush=True)
    return took


def difference(first: Path, second: Path) -> str | None:
    """Describes the first difference between two finished runs; None if they are equal."""
    ours, theirs = checkpoints.newest(first), checkpoints.newest(second)
    assert ours is not None and theirs is not None
    if ours.step != theirs.step or ours.arrays.keys() != theirs.arrays.keys():
        return f"the last checkpoints are {ours.path} and {theirs.path}"
    for name, array in ours.arrays.items():
        if array.tobytes() != theirs.arrays[name].tobytes():
            return f"{name} differs by {np.abs(array - theirs.arrays[name]).max()}"
    lines = [
        [{k: v for k, v in line.items() if k not in stats.TIMES} for line in stats.read(run)]
        for run in (first, second)
    ]
    if lines[0] != lines[1]:
        return f"stats.jsonl differs: {len(lines[0])} and {len(lines[1])} lines"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--shortest", type=float, default=3.0, help="seconds before a kill")
    parser.add_argument("--workers", type=int, default=1, help="processes that train")
    parser.add_argument("fit", nargs="*", help="further options of `tfgan2 fit`, after --")
    options = parser.parse_args()
    workers, moments = options.workers, random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        words = ["dcgan", "--dataset", "digits", "--steps", str(options.steps)]
        words += ["--checkpoint-every", "20", *options.fit]
        loading, training = finish(command(workers, *words, "--out", str(whole)), whole)
        print(
            f"uninterrupted: {loading:.1f} s of loading, {training:.1f} s of training", flush=True
        )
        # Kills hit loading, compiling and training, and the run lasts longer than all kills.
        share = 1.4 / (options.kills + 1)
        longest, most = loading + share * training, max(1, int(share * options.steps))
        kills, longest_wait = 0, 0.0
        start = command(workers, *words, "--out", str(killed))
        while kills < options.kills:
            resume = command(workers, "--resume", str(killed))
            # A kill may come before the run directory exists.
            now = resume if (killed / "config.json").exists() else start
            took = kill(now, moments.uniform(options.shortest, longest), most, killed, moments)
            if took is None:
                print("the run ended before all kills were done: give more --steps")
                break
            kills, longest_wait = kills + 1, max(longest_wait, took)
        finish(command(workers, "--resume", str(killed)), killed)
        found = difference(whole, killed)
        arrays = len(checkpoints.newest(whole).arrays)  # type: ignore[union-attr]
        lines = len(stats.read(whole))
        print(f"{kills} kills; {arrays} arrays and {lines} lines of statistics compared")
        print(f"different: {found}" if found else "bitwise equal")
        return 1 if found or kills < options.kills or longest_wait > MOST_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
