"""Does the peak memory of `tfgan2 fit` on a streamed folder grow with the number of images?

Makes folders of --counts JPEGs, trains on each with the same options in a process of its own, and
prints each process's peak resident memory.

    python benchmarks/stream_memory.py --counts 2000 20000

Exit code 1 if the largest differs from the smallest by more than 5 %.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image


def make_images(folder: Path, count: int, size: int) -> None:
    """Random JPEGs of size x size; each file differs."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        picture.save(folder / f"{index:06d}.jpg", quality=85)


def peak_megabytes(words: list[str]) -> float:
    """Runs to the end; returns the peak resident memory of the process."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(words)}")
    return usage.ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--size", type=int, default=96, help="edge of the files' images")
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    peaks = []
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            images = Path(folder, "images")
            make_images(images, count, options.size)
            words = f"fit dcgan --dataset folder:{images} --image-size 32 --cache stream"
            words += f" --set width=16 --steps {options.steps} --out {folder}/run"
            code = "from tfgan2.cli import main; main()"
            peaks.append(peak_megabytes([sys.executable, "-c", code, *words.split()]))
        print(f"{count:7,d} images: peak {peaks[-1]:,.0f} MiB", flush=True)
    growth = max(peaks) / min(peaks) - 1
    print(f"largest over smallest: +{growth:.1%}")
    return 1 if growth > 0.05 else 0


if __name__ == "__main__":
    sys.exit(main())
