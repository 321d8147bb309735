"""Tests whether the peak memory of `tfgan2 fit` on streamed images grows with their number.

Makes folders of --counts images, packs each with `tfgan2 prepare`, trains on the folder and on
the pack with the same options in a process of its own, and prints each process's peak resident
memory.

    python benchmarks/folder_memory.py --counts 2000 20000
    python benchmarks/folder_memory.py --images DIR

Exit code 1 if the largest peak of a kind of training exceeds the smallest by more than 5 %.
`prepare` loads no TensorFlow, so buffers of a few MiB, which small packs do not fill, show.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from tfgan2.data.folders.finding import image_files

MOST_GROWTH = 0.05
MOST_IN_A_FOLDER = 1000


def make_images(folder: Path, count: int, size: int) -> None:
    """Writes random JPEGs of size x size; each file differs."""
    rng = np.random.default_rng(0)
    for path in _paths(folder, count, ".jpg"):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        image.save(path, quality=85)


def link_images(folder: Path, count: int, given: Path) -> None:
    """Links the images of a folder, again and again, by other names."""
    names = itertools.cycle(image_files(given))
    for path, name in zip(_paths(folder, count, ""), names, strict=False):
        source = (given / name).resolve()
        path.with_suffix(source.suffix).symlink_to(source)


def _paths(folder: Path, count: int, suffix: str) -> list[Path]:
    paths = [
        folder / f"class-{i // MOST_IN_A_FOLDER:03d}" / f"image-{i:07d}{suffix}"
        for i in range(count)
    ]
    for parent in {path.parent for path in paths}:
        parent.mkdir(parents=True)
    return paths


def peak_megabytes(words: list[str]) -> float:
    """Runs `tfgan2` to the end; returns the peak resident memory of the process."""
    code = "from tfgan2.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: tfgan2 {' '.join(words)}")
    return usage.ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--images", type=Path, help="images to use; default: random ones")
    parser.add_argument("--size", type=int, default=96, help="edge of the random images")
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    if options.images is not None and not options.images.is_dir():
        parser.error(f"no such folder: {options.images}")
    peaks: dict[str, list[float]] = {}
    for count in options.counts:
        with tempfile.TemporaryDirectory() as work:
            images = Path(work, "images")
            if options.images is None:
                make_images(images, count, options.size)
            else:
                link_images(images, count, options.images)
            tasks = {
                "prepare": f"prepare folder:{images} --out {work}/pack",
                "fit folder:": f"--dataset folder:{images} --out {work}/run-of-folder",
                "fit prepared:": f"--dataset prepared:{work}/pack --out {work}/run-of-pack",
            }
            fit = "fit dcgan --image-size 32 --cache stream --set base_channels=16"
            for name, words in tasks.items():
                if name.startswith("fit"):
                    words = f"{fit} --steps {options.steps} {words}"
                peak = peak_megabytes(words.split())
                peaks.setdefault(name, []).append(peak)
                print(f"{name:13s} {count:7,d} images: peak {peak:,.0f} MiB", flush=True)
    worst = 0.0
    for name, found in peaks.items():
        growth = max(found) / min(found) - 1
        print(f"{name:13s} largest over smallest: +{growth:.1%}")
        if name.startswith("fit"):
            worst = max(worst, growth)
    return int(worst > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
