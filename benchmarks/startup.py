"""Measures the start of `tfgan2 --help`, and of `tfgan2 fit` until its first step is done.

python benchmarks/startup.py

Starts each `--rounds` times and reports the median, of `fit` with an empty cache and with the
compiled step in the cache. From the lines that `fit` prints it also reports when TensorFlow was
loaded, data and model were ready, and the first step was done.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TFGAN2 = str(Path(sys.executable).with_name("tfgan2"))
# Line that the command prints at each point.
MARKS = {
    "TensorFlow is there": "data:",
    "compiling or loading": ("compiling", "loading the compiled"),
    "first step": "step 1/",
}


def until_help() -> float:
    started = time.perf_counter()
    subprocess.run([TFGAN2, "--help"], check=True, capture_output=True)
    return time.perf_counter() - started


def until_first_step(flavour: str, words: list[str], cache: str) -> dict[str, float]:
    """Returns the seconds from the start of the command to each of `MARKS`, and to its end."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [TFGAN2, "fit", flavour, *words, "--steps", "1", "--log-every", "1"]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--out", f"{folder}/run"],
            env={**os.environ, "TFGAN2_CACHE": cache},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        assert process.stdout is not None
        for line in process.stdout:
            for name, mark in MARKS.items():
                if line.startswith(mark):
                    found.setdefault(name, time.perf_counter() - started)
        if process.wait():
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        found["end"] = time.perf_counter() - started
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flavours", default="dcgan,wgan-gp,cyclegan")
    options = parser.parse_args()
    seconds = [until_help() for _ in range(2 * options.rounds + 1)]
    print(f"--help: {statistics.median(seconds):.2f} s")
    for flavour in options.flavours.split(","):
        data = "digits" if flavour != "cyclegan" else None
        with tempfile.TemporaryDirectory() as folder:
            if data is None:
                data = f"unpaired:{folder}/a,{folder}/b"
                make_images(Path(folder))
            words = ["--dataset", data, "--image-size", "32"]
            for kept in (False, True):
                caches = [f"{folder}/cache{0 if kept else n}" for n in range(options.rounds)]
                rounds = [until_first_step(flavour, words, cache) for cache in caches]
                medians = {k: statistics.median(found[k] for found in rounds) for k in rounds[0]}
                shown = ", ".join(f"{name} {value:.1f} s" for name, value in medians.items())
                print(f"fit {flavour}{', from the cache' * kept}: {shown}", flush=True)


def make_images(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for side in "ab":
        (folder / side).mkdir()
        for index in range(8):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / side / f"{index}.png")


if __name__ == "__main__":
    main()
