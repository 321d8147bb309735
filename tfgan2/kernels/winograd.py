"""Convolutions with fewer multiplications: Winograd's minimal filtering F(2, r).

Covers "SAME" convolutions with 4x4 kernels and stride 2 or 3x3 kernels and stride 1, their
transposes, and gradients of any order. Results are exact up to rounding.

Two neighbouring outputs of a filter with r taps need r + 1 multiplications instead of 2 r (Winograd
1980; for neural networks Lavin and Gray 2015, arXiv:1509.09308), and (r + 1)² instead of 4 r² in
two dimensions. A 4x4 kernel with stride 2 is a 2x2 kernel with stride 1 on 2x2 blocks of pixels, so
9 matrix multiplications replace 16; for a 3x3 kernel 16 replace 36. The transforms around them only
add, subtract and halve.

This is faster where the compiler fuses the additions and the matrix multiplications dominate: under
XLA on a CPU, with enough channels (`pays`). A convolution, its transpose and the gradient of its
kernel are bilinear, and the gradients of each one are the other two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

FEWEST_CHANNELS = {1: 128, 2: 64}
"""Input channels, by stride, from which this is faster (benchmarks/convolutions.py, two cores).

Transposed convolutions with stride 2 are faster with any number of channels: TensorFlow's own
mostly multiply zeros.
"""

# F(2, r) by the number of taps r: outputs = A ((G kernel) * (B inputs)).
_B = {
    2: np.array([[1, -1, 0], [0, 1, 0], [0, 1, -1]]),
    3: np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
}
_G = {
    2: np.array([[1, 0], [1, 1], [0, 1]]),
    3: np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]),
}
_A = {2: np.array([[1, 1, 0], [0, 1, -1]]), 3: np.array([[1, 1, 1, 0], [0, 1, -1, -1]])}
# Taps by stride, once blocks of pixels are channels and the stride is 1.
_TAPS = {1: 3, 2: 2}


def pays(kernel: Sequence[int], stride: int, images: Sequence[int | None]) -> bool:
    """Returns whether this form exists for a convolution and speeds up some part of it.

    Args:
        kernel: shape (height, width, channels, filters) of the kernel.
        stride: in both directions.
        images: shape (B, H, W, ...) of the input, or of the output of a transposed convolution.
    """
    if None in images[1:3]:
        return False
    if (*kernel[:2], stride) == (3, 3, 1):
        return min(kernel[2:]) >= FEWEST_CHANNELS[1]
    return (*kernel[:2], stride) == (4, 4, 2)


def conv2d(images: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Computes `tf.nn.conv2d` with "SAME" padding.

    Args:
        images: float32, shape (B, H, W, C); H and W must be known.
        kernel: shape (4, 4, C, N) for stride 2, (3, 3, C, N) for stride 1.
        stride: 1 or 2.

    Returns:
        Shape (B, ceil(H / stride), ceil(W / stride), N).
    """

    @tf.custom_gradient
    def convolution(images: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            size = tuple(images.shape[1:3])
            return conv2d_transpose(upstream, kernel, stride, size), kernel_gradient(
                images, upstream, stride
            )

        return _conv2d(images, kernel, stride), gradients

    return convolution(images, kernel)


def conv2d_transpose(
    inputs: tf.Tensor, kernel: tf.Tensor, stride: int, size: tuple[int, int] | None = None
) -> tf.Tensor:
    """Computes `tf.nn.conv2d_transpose` with "SAME" padding.

    This is the gradient of `conv2d` for its images.

    Args:
        inputs: float32, shape (B, h, w, N); h and w must be known.
        kernel: shape (4, 4, C, N) for stride 2, (3, 3, C, N) for stride 1.
        stride: 1 or 2.
        size: height and width of the result; default: `stride` times those of the inputs.

    Returns:
        Shape (B, H, W, C).
    """
    size = size or (stride * inputs.shape[1], stride * inputs.shape[2])

    @tf.custom_gradient
    def transposed(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return conv2d(upstream, kernel, stride), kernel_gradient(upstream, inputs, stride)

        return _conv2d_transpose(inputs, kernel, stride, size), gradients

    return transposed(inputs, kernel)


def kernel_gradient(images: tf.Tensor, upstream: tf.Tensor, stride: int) -> tf.Tensor:
    """Computes the gradient of `conv2d` for its kernel.

    Args:
        images: float32, shape (B, H, W, C).
        upstream: the gradient for the outputs, shape (B, h, w, N).
        stride: 1 or 2.

    Returns:
        Shape (4, 4, C, N), or of stride 1 (3, 3, C, N).
    """

    @tf.custom_gradient
    def gradient(images: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradients(kernel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            size = tuple(images.shape[1:3])
            return conv2d_transpose(upstream, kernel, stride, size), conv2d(images, kernel, stride)

        return _kernel_gradient(images, upstream, stride), gradients

    return gradient(images, upstream)


# --- convolution, transpose and kernel gradient -------------------------------------------------


def _conv2d(images: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    if images.shape[-1] < FEWEST_CHANNELS[stride]:
        return tf.nn.conv2d(images, kernel, stride, "SAME")
    with _scope("conv2d", stride):
        pairs = zip(_tiles(images, stride), _factors(kernel, stride), strict=True)
        products = [tile @ factor for tile, factor in pairs]
        size = [-(-edge // stride) for edge in images.shape[1:3]]
        return _outputs(products, stride, size)


def _conv2d_transpose(
    inputs: tf.Tensor, kernel: tf.Tensor, stride: int, size: tuple[int, int]
) -> tf.Tensor:
    with _scope("conv2d_transpose", stride):
        pairs = zip(_spread(inputs, stride), _factors(kernel, stride), strict=True)
        tiles = [tf.matmul(spread, factor, transpose_b=True) for spread, factor in pairs]
        return _images(tiles, stride, inputs.shape[1:3], size)


def _kernel_gradient(images: tf.Tensor, upstream: tf.Tensor, stride: int) -> tf.Tensor:
    if images.shape[-1] < FEWEST_CHANNELS[stride]:
        shape = (4, 4) if stride == 2 else (3, 3)
        return tf.raw_ops.Conv2DBackpropFilter(
            input=images,
            filter_sizes=(*shape, images.shape[-1], upstream.shape[-1]),
            out_backprop=upstream,
            strides=(1, stride, stride, 1),
            padding="SAME",
        )
    with _scope("kernel_gradient", stride):
        pairs = zip(_tiles(images, stride), _spread(upstream, stride), strict=True)
        products = [tf.matmul(tile, spread, transpose_a=True) for tile, spread in pairs]
        return _kernel(products, stride)


def _scope(operation: str, stride: int) -> tf.name_scope:
    """Names the ops of a form, so that graphs and profiles show which convolutions take it."""
    edge = stride * _TAPS[stride]
    return tf.name_scope(f"winograd_{edge}x{edge}_{operation}")


# --- the transforms, each beside its transpose ---------------------------------------------------


def _factors(kernel: tf.Tensor, stride: int) -> list[tf.Tensor]:
    """Returns the transformed kernel as matrices of shape (channels, N)."""
    taps = _TAPS[stride]
    channels, filters = kernel.shape[2:]
    kernel = tf.reshape(kernel, (taps, stride, taps, stride, channels, filters))
    kernel = tf.transpose(kernel, (0, 2, 1, 3, 4, 5))
    kernel = tf.reshape(kernel, (taps, taps, stride * stride * channels, filters))
    return _both_ways([[kernel[i, j] for j in range(taps)] for i in range(taps)], _G[taps])


def _kernel(factors: list[tf.Tensor], stride: int) -> tf.Tensor:
    taps = _TAPS[stride]
    gathered, filters = factors[0].shape
    kernel = tf.stack(_both_ways(_square(factors), _G[taps].T))
    shape = (taps, taps, stride, stride, gathered // stride**2, filters)
    kernel = tf.transpose(tf.reshape(kernel, shape), (0, 2, 1, 3, 4, 5))
    return tf.reshape(kernel, (stride * taps, stride * taps, gathered // stride**2, filters))


def _tiles(images: tf.Tensor, stride: int) -> list[tf.Tensor]:
    """Returns the transformed images as matrices of shape (B * tiles, channels)."""
    taps = _TAPS[stride]
    height, width = (_even(-(-edge // stride)) for edge in images.shape[1:3])
    edges = [stride * (edge + taps - 1) for edge in (height, width)]
    after = [edge - 1 - have for edge, have in zip(edges, images.shape[1:3], strict=True)]
    grid = tf.pad(images, ((0, 0), (1, after[0]), (1, after[1]), (0, 0)))
    channels = images.shape[3]
    if stride > 1:
        rows, columns = height + taps - 1, width + taps - 1
        grid = tf.reshape(grid, (-1, rows, stride, columns, stride * channels))
        channels *= stride**2
        grid = tf.reshape(tf.transpose(grid, (0, 1, 3, 2, 4)), (-1, rows, columns, channels))

    def parts(values: tf.Tensor, axis: int, count: int) -> list[tf.Tensor]:
        if axis == 1:
            return [values[:, i : i + count - 1 : 2] for i in range(taps + 1)]
        return [values[:, :, i : i + count - 1 : 2] for i in range(taps + 1)]

    rows_of = [parts(part, 2, width) for part in parts(grid, 1, height)]
    return [tf.reshape(tile, (-1, channels)) for tile in _both_ways(rows_of, _B[taps])]


def _images(
    tiles: list[tf.Tensor], stride: int, inputs: Sequence[int], size: tuple[int, int]
) -> tf.Tensor:
    taps = _TAPS[stride]
    height, width = map(_even, inputs)
    channels = tiles[0].shape[1]
    tiles = [tf.reshape(tile, (-1, height // 2, width // 2, channels)) for tile in tiles]
    parts = _square(_both_ways(_square(tiles), _B[taps].T))
    grid = _overlapped([_overlapped(row, 2) for row in parts], 1)
    rows, columns = height + taps - 1, width + taps - 1
    grid = grid[:, :rows, :columns]
    if stride > 1:
        channels //= stride**2
        grid = tf.reshape(grid, (-1, rows, columns, stride, stride * channels))
        grid = tf.transpose(grid, (0, 1, 3, 2, 4))
        grid = tf.reshape(grid, (-1, stride * rows, stride * columns, channels))
    return grid[:, 1 : 1 + size[0], 1 : 1 + size[1]]


def _outputs(products: list[tf.Tensor], stride: int, size: Sequence[int]) -> tf.Tensor:
    """Returns the convolution, shape (B, *size, N), from the matrix products."""
    height, width = map(_even, size)
    filters = products[0].shape[1]
    products = [tf.reshape(part, (-1, height // 2, width // 2, filters)) for part in products]
    outputs = _square(_both_ways(_square(products), _A[_TAPS[stride]]))
    rows = [tf.stack(row, 3) for row in outputs]
    whole = tf.reshape(tf.stack(rows, 2), (-1, height, width, filters))
    return whole[:, : size[0], : size[1]]


def _spread(values: tf.Tensor, stride: int) -> list[tf.Tensor]:
    size, filters = values.shape[1:3], values.shape[3]
    height, width = map(_even, size)
    values = tf.pad(values, ((0, 0), (0, height - size[0]), (0, width - size[1]), (0, 0)))
    values = tf.reshape(values, (-1, height // 2, 2, width // 2, 2, filters))
    parts = [[values[:, :, i, :, j] for j in range(2)] for i in range(2)]
    return [tf.reshape(part, (-1, filters)) for part in _both_ways(parts, _A[_TAPS[stride]].T)]


def _even(size: int) -> int:
    return size + size % 2


def _square(items: list[tf.Tensor]) -> list[list[tf.Tensor]]:
    edge = round(len(items) ** 0.5)
    return [items[i * edge : (i + 1) * edge] for i in range(edge)]


def _both_ways(parts: list[list[tf.Tensor]], matrix: np.ndarray) -> list[tf.Tensor]:
    """Returns matrix · parts · matrixᵀ, row by row."""
    columns = [[_sum(column, row) for column in zip(*parts, strict=True)] for row in matrix]
    return [_sum(line, row) for line in columns for row in matrix]


def _sum(terms: Sequence[tf.Tensor], weights: np.ndarray) -> tf.Tensor:
    """Returns the weighted sum; terms of weight 0 are not computed."""
    total = None
    for term, weight in zip(terms, weights, strict=True):
        if weight:
            size = abs(weight)
            part = term if size == 1 else term * float(size)
            if total is None:
                total = part if weight > 0 else -part
            else:
                total = total + part if weight > 0 else total - part
    return total


def _overlapped(parts: list[tf.Tensor], axis: int) -> tf.Tensor:
    """Adds element t of part i at position 2 t + i along an axis."""

    def shifted(part: tf.Tensor, before: int) -> tf.Tensor:
        around = [[0, 0] for _ in part.shape]
        around[axis] = [before, 1 - before]
        return tf.pad(part, around)

    lanes: list[tf.Tensor | None] = [None, None]
    for index, part in enumerate(parts):
        late, lane = divmod(index, 2)
        moved = shifted(part, late)
        lanes[lane] = moved if lanes[lane] is None else lanes[lane] + moved
    both = tf.stack(lanes, axis + 1)
    shape = [-1, *both.shape[1:axis], 2 * both.shape[axis], *both.shape[axis + 2 :]]
    return tf.reshape(both, shape)
