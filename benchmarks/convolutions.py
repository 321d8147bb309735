"""Convolutions under XLA on the CPU: TensorFlow's own and those of `tfgan2.kernels`.

python benchmarks/convolutions.py
python benchmarks/convolutions.py --small

What decides `FEWEST_CHANNELS` there and, with --small, on small images, what `patches.pays` says.
For each shape: the convolution (A), the gradient for its images, which is what a transposed
convolution computes (B), that for its kernel (C), and all of them in one function, as training has
them, where transforms are shared. The forms take turns; the median of the ratios within a round
counts. `--everywhere` takes Winograd's filtering for few channels, too.
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

from tfgan2.kernels import patches, winograd

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
# (batch, edge of the images, channels, channels made, edge of the kernel, stride, dilation)
SMALL = [
    (1, 2, 512, 512, 4, 2, 1),
    (1, 4, 512, 512, 4, 2, 1),
    (1, 8, 512, 512, 4, 2, 1),
    (1, 16, 256, 512, 4, 2, 1),
    (1, 32, 128, 256, 4, 2, 1),
    (16, 2, 512, 512, 4, 2, 1),
    (16, 4, 512, 512, 4, 2, 1),
    (64, 4, 256, 512, 4, 2, 1),
    (64, 4, 128, 256, 5, 2, 1),
    (64, 8, 128, 256, 5, 2, 1),
    (64, 16, 64, 128, 5, 2, 1),
    (16, 4, 256, 512, 3, 2, 1),
    (16, 8, 128, 256, 3, 2, 1),
    (1, 4, 512, 512, 3, 1, 1),
    (64, 2, 64, 64, 3, 1, 1),
    (64, 4, 64, 64, 3, 1, 1),
    (64, 8, 256, 256, 3, 1, 4),
    (64, 8, 256, 256, 3, 1, 8),
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


def compare(forms: list[Any], parts: list[tf.Tensor], rounds: int) -> list[tuple[float, float]]:
    """Median milliseconds of each, in turns, and how many times as fast as the first it is."""
    for form in forms:
        seconds(form, parts, 2)
    repeats = max(1, int(0.1 / seconds(forms[0], parts, 2)))
    turns = [[seconds(form, parts, repeats) for form in forms] for _ in range(rounds)]
    return [
        (
            statistics.median(turn[index] for turn in turns) * 1e3,
            statistics.median(turn[0] / turn[index] for turn in turns),
        )
        for index in range(len(forms))
    ]


def small_images(rounds: int) -> None:
    """The convolution and both gradients, of small images, in every form that there is."""

    def trained(convolution: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Any:
        def products(x: tf.Tensor, w: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch([x, w])
                outputs = convolution(x, w)
            return [outputs, *tape.gradient(outputs, [x, w], output_gradients=y)]

        return compiled(products)

    print("| batch, images | kernel | own ms | Winograd | patches |\n|---|---|---|---|---|")
    for batch, edge, channels, made, kernel, stride, dilation in SMALL:
        small = -(-edge // stride)
        parts = [
            tf.random.normal((batch, edge, edge, channels)),
            tf.random.normal((kernel, kernel, channels, made)),
            tf.random.normal((batch, small, small, made)),
        ]
        known = (kernel, stride, dilation) in ((3, 1, 1), (4, 2, 1))
        forms = [
            lambda x, w, s=stride, d=dilation: tf.nn.conv2d(x, w, s, "SAME", dilations=d),
            lambda x, w, s=stride, d=dilation: patches.conv2d(x, w, s, d),
            *([lambda x, w, s=stride: winograd.conv2d(x, w, s)] if known else []),
        ]
        own, gathered, *filtering = compare([trained(form) for form in forms], parts, rounds)
        print(
            f"| {batch}, {edge}x{edge}x{channels} | {kernel}x{kernel}/{stride} to {made}"
            f"{f', dilation {dilation}' if dilation > 1 else ''} | {own[0]:.2f} "
            f"| {''.join(f'{ratio:.2f}' for _, ratio in filtering)} | {gathered[1]:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--which", default="A,B,C,ABC")
    parser.add_argument("--everywhere", action="store_true")
    parser.add_argument("--small", action="store_true", help="small images, patches, too")
    options = parser.parse_args()
    if options.small:
        small_images(options.rounds)
        return
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
            (own, _), (ours, ratio) = compare(forms, parts, options.rounds)
            print(
                f"| {edge}x{edge}x{channels} | {kernel}x{kernel}/{stride} to {made} | {which} "
                f"| {own:.2f} | {ours:.2f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
