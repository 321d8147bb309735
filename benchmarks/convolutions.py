"""Convolutions under XLA on the CPU: TensorFlow's own beside `tfgan2.winograd`.

python benchmarks/convolutions.py

What decides `FEWEST_CHANNELS` there. For each shape: the convolution (A), the gradient
for its images, which is what a transposed convolution computes (B), that for its kernel (C),
and all of them in one function, as training has them, where transforms are shared. Both forms take
turns; the median of the ratios within a round counts. `--everywhere` takes Winograd's filtering for
few channels, too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from tfgan2 import winograd

# (edge of the images, channels, channels made, stride)
SHAPES = [
    (32, 3, 64, 2),
    (28, 16, 32, 2),
    (16, 32, 64, 2),
    (16, 64, 128, 2),
    (8, 128, 256, 2),
    (32, 128, 256, 2),
    (4, 512, 512, 2),
    (16, 64, 64, 1),
    (7, 128, 128, 1),
    (8, 128, 128, 1),
    (16, 128, 128, 1),
    (8, 256, 256, 1),
]
Products = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], list[tf.Tensor]]


def direct(which: str, edge: int, stride: int) -> Products:
    def products(x: tf.Tensor, w: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        size = (x.shape[0], edge, edge, w.shape[2])
        forms = {
            "A": lambda: tf.nn.conv2d(x, w, stride, "SAME"),
            "B": lambda: tf.nn.conv2d_transpose(y, w, size, stride, "SAME"),
            "C": lambda: tf.raw_ops.Conv2DBackpropFilter(
                input=x,
                filter_sizes=w.shape,
                out_backprop=y,
                strides=[1, stride, stride, 1],
                padding="SAME",
            ),
        }
        return [forms[name]() for name in which]

    return products


def filtered(which: str, edge: int, stride: int) -> Products:
    def products(x: tf.Tensor, w: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        forms = {
            "A": lambda: winograd.conv2d(x, w, stride),
            "B": lambda: winograd.conv2d_transpose(y, w, stride, (edge, edge)),
            "C": lambda: winograd.kernel_gradient(x, y, stride),
        }
        return [forms[name]() for name in which]

    return products


def compiled(products: Products) -> Any:
    @tf.function(jit_compile=True)
    def function(x: tf.Tensor, w: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        # Little comes back, but all is needed for it.
        return tf.add_n([tf.reduce_sum(part) for part in products(x, w, y)])

    return function


def seconds(function: Any, parts: list[tf.Tensor], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        value = function(*parts)
    float(value)
    return (time.perf_counter() - started) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--which", default="A,B,C,ABC")
    parser.add_argument("--everywhere", action="store_true")
    options = parser.parse_args()
    if options.everywhere:
        winograd.FEWEST_CHANNELS = {1: 1, 2: 1}
    print("| images | kernel | what | own ms | Winograd ms | ratio |\n|---|---|---|---|---|---|")
    for edge, channels, made, stride in SHAPES:
        kernel = 4 if stride == 2 else 3
        small = -(-edge // stride)
        parts = [
            tf.random.normal((options.batch, edge, edge, channels)),
            tf.random.normal((kernel, kernel, channels, made)),
            tf.random.normal((options.batch, small, small, made)),
        ]
        for which in options.which.split(","):
            forms = [compiled(form(which, edge, stride)) for form in (direct, filtered)]
            for form in forms:
                seconds(form, parts, 2)
            repeats = max(1, int(0.1 / seconds(forms[0], parts, 2)))
            rounds = [
                [seconds(form, parts, repeats) for form in forms] for _ in range(options.rounds)
            ]
            own, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratio = statistics.median(first / second for first, second in rounds)
            print(
                f"| {edge}x{edge}x{channels} | {kernel}x{kernel}/{stride} to {made} | {which} "
                f"| {own * 1e3:.2f} | {ours * 1e3:.2f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
