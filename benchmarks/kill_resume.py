"""Killed with SIGKILL at random moments and resumed, does a run end with the same weights?

Trains one run to its end, then the same configuration in a second folder, killed --kills times at
random moments (while TensorFlow loads, compiles, trains or writes) and resumed each time. Compares
every array of the last checkpoints bitwise, and the lines of stats.jsonl apart from times.

    python benchmarks/kill_resume.py --kills 10 --steps 1500

Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tfgan2.training import checkpoints, stats


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from tfgan2.cli import main; main()", "fit", *words]


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


def kill(words: list[str], seconds: float, run: Path) -> bool:
    """Starts, kills after `seconds`; returns False if the run had ended by itself before."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        files = checkpoints.paths(run)
        found = files[0].stem if files else "no checkpoint"
        partial = len(list(run.glob("*/.*.partial-*"))) + len(list(run.glob(".*.partial-*")))
        left = f", {partial} half-written file left" if partial else ""
        print(f"killed after {seconds:5.1f} s: {found}{left}", flush=True)
        return True


def difference(first: Path, second: Path) -> str | None:
    """What differs between two finished runs, or None."""
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
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--shortest", type=float, default=3.0, help="seconds before a kill")
    parser.add_argument("fit", nargs="*", help="further options of `tfgan2 fit`, after --")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        words = ["dcgan", "--dataset", "digits", "--steps", str(options.steps)]
        words += ["--checkpoint-every", "20", *options.fit]
        loading, training = finish(command(*words, "--out", str(whole)), whole)
        print(
            f"uninterrupted: {loading:.1f} s of loading, {training:.1f} s of training", flush=True
        )
        # So that loading, compiling and training are all hit, and the run outlives all kills.
        longest = loading + 1.4 * training / (options.kills + 1)
        kills = 0
        start = command(*words, "--out", str(killed))
        while kills < options.kills:
            resume = command("--resume", str(killed))
            # A kill may come before the run directory stands.
            now = resume if (killed / "config.json").exists() else start
            if not kill(now, moments.uniform(options.shortest, longest), killed):
                print("the run ended before all kills were done: give more --steps")
                break
            kills += 1
        finish(command("--resume", str(killed)), killed)
        found = difference(whole, killed)
        arrays = len(checkpoints.newest(whole).arrays)  # type: ignore[union-attr]
        lines = len(stats.read(whole))
        print(f"{kills} kills; {arrays} arrays and {lines} lines of statistics compared")
        print(f"different: {found}" if found else "bitwise equal")
        return 1 if found or kills < options.kills else 0


if __name__ == "__main__":
    sys.exit(main())
