"""Times convolutions under XLA on the CPU: TensorFlow's own and the forms in `tfgan2.kernels`.

python benchmarks/convolutions.py
python benchmarks/convolutions.py --small
python benchmarks/convolutions.py --grouped

The first run decides `FEWEST_CHANNELS` of Winograd's filtering, --small where patches pay,
--grouped which form convolutions with groups take. For each shape it times the convolution (A), the
gradient for its images, which is what a transposed convolution computes (B), the gradient for its
kernel (C), and all three in one function, which share transforms as in training. The forms take
turns; the ratio is the median over the rounds. `--everywhere` uses Winograd's filtering for few
channels too. --grouped times a loss with a gradient penalty, and its gradient for the kernel.
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
from tfgan2.nn.convolutions import one_by_one

# (edge of the images, channels, filters, stride)
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
# (batch, edge of the images, channels, filters, edge of the kernel, stride, dilation)
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
# (edge of the images, channels, channels of a group)
GROUPED = [(32, 32, 16), (32, 64, 16), (16, 64, 16), (16, 128, 16), (8, 256, 16), (4, 512, 16)]
Convolution = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def compiled(convolution: Convolution, which: str = "ABC", *, xla: bool = True) -> Any:
    """Compiles parts of a convolution: A forward, B and C the gradients for images and kernel."""

    @tf.function(jit_compile=xla)
    def function(x: tf.Tensor, w: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            outputs = convolution(x, w)
        gradients = tape.gradient(outputs, [x, w], output_gradients=y)
        parts = dict(zip("ABC", [outputs, *gradients], strict=True))
        # XLA leaves out the others. A sum returns little but needs every element.
        return tf.add_n([tf.reduce_sum(parts[name]) for name in which])

    return function


def seconds(function: Any, parts: list[tf.Tensor], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        value = function(*parts)
    float(value)
    return (time.perf_counter() - started) / repeats


def compare(forms: list[Any], parts: list[tf.Tensor], rounds: int) -> list[tuple[float, float]]:
    """Returns for each form its median milliseconds, and its speed relative to the first."""
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
    """Times the convolution with both gradients in every form, on small images."""
    print("| batch, images | kernel | own ms | Winograd | patches |\n|---|---|---|---|---|")
    for batch, edge, channels, filters, kernel, stride, dilation in SMALL:
        small = -(-edge // stride)
        parts = [
            tf.random.normal((batch, edge, edge, channels)),
            tf.random.normal((kernel, kernel, channels, filters)),
            tf.random.normal((batch, small, small, filters)),
        ]
        forms: list[Convolution] = [
            lambda x, w, s=stride, d=dilation: tf.nn.conv2d(x, w, s, "SAME", dilations=d),
            lambda x, w, s=stride, d=dilation: patches.conv2d(x, w, s, d),
        ]
        if (kernel, stride, dilation) in ((3, 1, 1), (4, 2, 1)):
            forms.append(lambda x, w, s=stride: winograd.conv2d(x, w, s))
        own, gathered, *filtered = compare([compiled(form) for form in forms], parts, rounds)
        print(
            f"| {batch}, {edge}x{edge}x{channels} | {kernel}x{kernel}/{stride} to {filters}"
            f"{f', dilation {dilation}' if dilation > 1 else ''} | {own[0]:.2f} "
            f"| {''.join(f'{ratio:.2f}' for _, ratio in filtered)} | {gathered[1]:.2f} |",
            flush=True,
        )


def of_groups(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """Patches, and a matrix multiplication for each group."""
    _, height, width, channels = x.shape
    size, filters = w.shape[2:]
    groups = channels // size
    x = tf.transpose(tf.reshape(x, (-1, height, width, groups, size)), (3, 0, 1, 2, 4))
    x = tf.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
    views = [x[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    gathered = tf.reshape(tf.concat(views, 4), (groups, -1, 9 * size))
    w = tf.transpose(tf.reshape(w, (9 * size, groups, filters // groups)), (1, 0, 2))
    y = tf.reshape(gathered @ w, (groups, -1, height, width, filters // groups))
    return tf.reshape(tf.transpose(y, (1, 2, 3, 0, 4)), (-1, height, width, filters))


def without_groups(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """A convolution without groups, whose kernel is zero between groups."""
    size, filters = w.shape[2:]
    groups = x.shape[3] // size
    mask = tf.eye(groups, dtype=w.dtype)[:, None, :, None]
    kernel = tf.reshape(w, (3, 3, 1, size, groups, filters // groups)) * mask
    return tf.nn.conv2d(x, tf.reshape(kernel, (3, 3, x.shape[3], filters)), 1, "SAME")


def by_rows(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """Patches of the columns only; the rows of the kernel are added up."""
    _, height, width, channels = x.shape
    size, filters = w.shape[2:]
    groups = channels // size
    x = tf.transpose(tf.reshape(x, (-1, height, width, groups, size)), (3, 0, 1, 2, 4))
    x = tf.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
    x = tf.concat([x[:, :, :, i : i + width] for i in range(3)], 4)
    w = tf.transpose(tf.reshape(w, (3, 3 * size, groups, filters // groups)), (0, 2, 1, 3))
    rows = [tf.reshape(x[:, :, i : i + height], (groups, -1, 3 * size)) @ w[i] for i in range(3)]
    y = tf.reshape(tf.add_n(rows), (groups, -1, height, width, filters // groups))
    return tf.reshape(tf.transpose(y, (1, 2, 3, 0, 4)), (-1, height, width, filters))


def penalized(convolution: Convolution, xla: bool) -> Any:
    """Compiles a loss with R1: the first derivative, and the second one for the kernel."""

    @tf.function(jit_compile=xla)
    def function(x: tf.Tensor, w: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(w)
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_sum(convolution(x, w) * y)
            penalty = tf.reduce_sum(tape.gradient(value, x) ** 2)
            loss = value + penalty
        return tf.reduce_sum(outer.gradient(loss, w))

    return function


def grouped(rounds: int, batch: int) -> None:
    """Times a loss with R1 of each form of a convolution with groups."""
    forms = {
        "XLA's own": (lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), True),
        "without XLA": (lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), False),
        "patches": (of_groups, True),
        "by rows": (by_rows, True),
        "one by one": (one_by_one, True),
        "without groups": (without_groups, True),
    }
    print(f"| images, groups | {' | '.join(f'{name}, ms' for name in forms)} |")
    print("|---" * (len(forms) + 1) + "|")
    for edge, channels, size in GROUPED:
        shape = (batch, edge, edge, channels)
        parts = [tf.random.normal(each) for each in (shape, (3, 3, size, channels), shape)]
        functions = [penalized(*each) for each in forms.values()]
        times = [
            statistics.median(seconds(each, parts, 1) for _ in range(1 if index == 0 else rounds))
            for index, each in enumerate(functions)
            if seconds(each, parts, 1) > 0
        ]
        print(
            f"| {edge}x{edge}x{channels}, {channels // size} "
            f"| {' | '.join(f'{1e3 * each:.1f}' for each in times)} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--which", default="A,B,C,ABC")
    parser.add_argument("--everywhere", action="store_true")
    parser.add_argument("--small", action="store_true", help="small images, with patches")
    parser.add_argument("--grouped", action="store_true", help="convolutions with groups")
    options = parser.parse_args()
    if options.grouped:
        grouped(options.rounds, options.batch)
        return
    if options.small:
        small_images(options.rounds)
        return
    if options.everywhere:
        winograd.FEWEST_CHANNELS = {1: 1, 2: 1}
    print("| images | kernel | what | own ms | Winograd ms | ratio |\n|---|---|---|---|---|---|")
    for edge, channels, filters, stride in SHAPES:
        kernel = 4 if stride == 2 else 3
        small = -(-edge // stride)
        parts = [
            tf.random.normal((options.batch, edge, edge, channels)),
            tf.random.normal((kernel, kernel, channels, filters)),
            tf.random.normal((options.batch, small, small, filters)),
        ]
        forms: list[Convolution] = [
            lambda x, w, s=stride: tf.nn.conv2d(x, w, s, "SAME"),
            lambda x, w, s=stride: winograd.conv2d(x, w, s),
        ]
        for which in options.which.split(","):
            (own, _), (ours, ratio) = compare(
                [compiled(form, which) for form in forms], parts, options.rounds
            )
            print(
                f"| {edge}x{edge}x{channels} | {kernel}x{kernel}/{stride} to {filters} | {which} "
                f"| {own:.2f} | {ours:.2f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
