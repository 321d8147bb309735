"""Times convolutions under XLA on the CPU: TensorFlow's own and the forms in `tfgan2.kernels`.

python benchmarks/convolutions.py
python benchmarks/convolutions.py --small

The first run decides `FEWEST_CHANNELS` of Winograd's filtering, --small where patches pay. For each
shape it times the convolution (A), the gradient for its images, which is what a transposed
convolution computes (B), the gradient for its kernel (C), and all three in one function, which
share transforms as in training. The forms take turns; the ratio is the median over the rounds.
`--everywhere` uses Winograd's filtering for few channels too.
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
Convolution = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def compiled(convolution: Convolution, which: str = "ABC") -> Any:
    """Compiles parts of a convolution: A forward, B and C the gradients for images and kernel."""

    @tf.function(jit_compile=True)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--which", default="A,B,C,ABC")
    parser.add_argument("--everywhere", action="store_true")
    parser.add_argument("--small", action="store_true", help="small images, with patches")
    options = parser.parse_args()
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
