"""Measures the share of training time that reading images takes.

Trains dcgan on each source and, alternating, on one repeated batch of it, so that other work on the
machine affects both alike. Prints

- waits: share of the time spent waiting for the next batch (`input_share` of `stats.jsonl`);
- slower: how much longer a step takes than with the repeated batch, which includes processor time
  that decoding takes from training;
- alone: images per second of the source without training.

    python benchmarks/input_share.py --data-dir DIR --images DIR
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from command_line import errors_in_one_line

import tfgan2
from tfgan2.data import ImageDataset
from tfgan2.data.prepared import pack
from tfgan2.data.request import Request


def sources(options: argparse.Namespace, work: Path) -> Iterator[tuple[str, ImageDataset]]:
    """The measured datasets, each with its title."""
    if options.data_dir is not None:
        for cache in ("memory", "stream"):
            dataset = tfgan2.load_dataset("cifar10", data_dir=options.data_dir, cache=cache)
            yield f"cifar10, {cache}", dataset
    if options.images is not None:
        folder, size = f"folder:{options.images}", options.image_size
        pack(Request(folder), work / "files")
        pack(Request(folder, image_size=size), work / "pixels")
        for title, name in (
            ("folder, stream", folder),
            ("prepared files, stream", f"prepared:{work}/files"),
            ("prepared pixels, stream", f"prepared:{work}/pixels"),
        ):
            yield title, tfgan2.load_dataset(name, image_size=size, cache="stream")


def window(step: Callable[[Any], Any], batches: Iterator[Any], steps: int) -> tuple[float, float]:
    """Returns the seconds of some steps, and the seconds of these spent waiting for batches."""
    waited, began = 0.0, time.perf_counter()
    for _ in range(steps):
        start = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - start
        for value in step(batch).values():
            float(value)  # waits for the end of the step, as the training loop does
    return time.perf_counter() - began, waited


def measure(dataset: ImageDataset, options: argparse.Namespace) -> tuple[float, float, float]:
    """Returns "waits" and "slower" as fractions, and "alone" in images per second."""
    model = tfgan2.create(
        "dcgan", image_shape=dataset.image_shape, base_channels=options.base_channels
    )
    model.compile()
    model.plan(10**6)
    step = tf.function(model.train_step, jit_compile=True, autograph=False)
    batches = iter(dataset.batches(options.batch_size))
    one = next(batches)

    def repeated() -> Iterator[Any]:
        while True:
            yield one

    step(one)
    one_batch, real, waits = [], [], []
    for _ in range(options.windows):
        one_batch.append(window(step, repeated(), options.steps)[0])
        window(step, batches, 4)  # skips what was prefetched meanwhile
        seconds, waited = window(step, batches, options.steps)
        real.append(seconds)
        waits.append(waited / seconds)
    seconds, _ = window(lambda batch: {}, batches, options.steps)
    slower = statistics.median(real) / statistics.median(one_batch) - 1
    return statistics.median(waits), slower, options.steps * options.batch_size / seconds


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of tensorflow-datasets with cifar10")
    parser.add_argument("--images", type=Path, help="a folder of images")
    parser.add_argument("--image-size", type=int, default=64, help="size of the folder's images")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument(
        "--base-channels", type=int, default=64, help="base channels of the networks"
    )
    parser.add_argument("--steps", type=int, default=30, help="steps of a window")
    parser.add_argument("--windows", type=int, default=5, help="windows of each kind, alternating")
    options = parser.parse_args()
    if options.data_dir is None and options.images is None:
        parser.error("give --data-dir, --images, or both")
    with tempfile.TemporaryDirectory() as work:
        for title, dataset in sources(options, Path(work)):
            waits, slower, alone = measure(dataset, options)
            print(
                f"{title:24s} waits {waits:6.2%}  slower {slower:+6.1%}  "
                f"alone {alone:8,.0f} images/s",
                flush=True,
            )


if __name__ == "__main__":
    main()
