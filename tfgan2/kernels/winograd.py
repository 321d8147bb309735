"""Convolutions with fewer multiplications: Winograd's minimal filtering F(2, r).

Covers "SAME" convolutions with 4x4 kernels and stride 2 or 3x3 kernels and stride 1, their
transposes, and gradients of any order. Results are exact up to rounding.

Two neighbouring outputs of a filter with r taps need r + 1 multiplications instead of 2 r (Winograd
1980; for neural networks Lavin and Gray 2015, arXiv:1509.09308), and (r + 1)² instead of 4 r² in
two dimensions. A 4x4 kernel with stride 2 is a 2x2 kernel with stride 1 on 2x2 blocks of pixels, so
9 matrix multiplications replace 16; for a 3x3 kernel 16 replace 36. The transforms around them only
add, subtract and halve.

This is faster where the compiler fuses the additions and the matrix multiplications dominate: under
XLA on a CPU, with enough channels. A convolution, its transpose and the gradient of its kernel are
bilinear, and the gradients of each one are the other two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

FEWEST_CHANNELS = {1: 128, 2: 64}
"""Input channels, by stride, from which this is faster (benchmarks/convolutions.py, two cores).

Transposed convolutions with stride 2 are faster with any number of channels: TensorFlow's own
mostly multiply zeros.
"""

# F(2, r) by the stride: outputs = A ((G kernel) * (B inputs)).
_B = {
    1: np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
    2: np.array([[1, -1, 0], [0, 1, 0], [0, 1, -1]]),
}
_G = {
    1: np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]),
    2: np.array([[1, 0], [1, 1], [0, 1]]),
}
_A = {1: np.array([[1, 1, 1, 0], [0, 1, -1, -1]]), 2: np.array([[1, 1, 0], [0, 1, -1]])}


def conv2d(images: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Computes `tf.nn.conv2d` with "SAME" padding, (B, H, W, C) to (B, H / stride, W / stride, N).

    Images are float32; H and W must be known. The kernel has the shape (4, 4, C, N) for stride 2,
    (3, 3, C, N) for stride 1.
    """
    return _Convolution(stride, images.shape[1:3]).forward(images, kernel)


def conv2d_transpose(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Computes `tf.nn.conv2d_transpose` with "SAME" padding, (B, h, w, N) to (B, H, W, C).

    H is stride * h and W is stride * w; otherwise as `conv2d`.
    """
    size = [stride * edge for edge in inputs.shape[1:3]]
    return _Convolution(stride, size).transposed(inputs, kernel)


class _Convolution:
    """A convolution of images of one size, its transpose, and the gradient of its kernel.

    Images have the shape (B, *size, C), outputs (B, *output_size, N).
    """

    def __init__(self, stride: int, size: Sequence[int]) -> None:
        self.stride, self.size = stride, size
        self.b, self.g, self.a = _B[stride], _G[stride], _A[stride]
        self.taps = self.g.shape[1]  # once blocks of pixels are channels and the stride is 1
        self.output_size = [-(-edge // stride) for edge in size]
        self.tiles = [-(-edge // 2) for edge in self.output_size]
        self.grid = [2 * edge + self.taps - 1 for edge in self.tiles]  # in blocks of pixels

    def forward(self, images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return self.transposed(upstream, kernel), self.kernel_gradient(images, upstream)

        return _with_gradients(self._forward, gradients, images, kernel)

    def transposed(self, outputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return self.forward(upstream, kernel), self.kernel_gradient(upstream, outputs)

        return _with_gradients(self._transposed, gradients, outputs, kernel)

    def kernel_gradient(self, images: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return self.transposed(outputs, upstream), self.forward(images, upstream)

        return _with_gradients(self._kernel_gradient, gradients, images, outputs)

    def _forward(self, images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if images.shape[-1] < FEWEST_CHANNELS[self.stride]:
            return tf.nn.conv2d(images, kernel, self.stride, "SAME")
        with self._scope("conv2d"):
            pairs = zip(self._tiles(images), self._factors(kernel), strict=True)
            return self._outputs([tile @ factor for tile, factor in pairs])

    def _transposed(self, outputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        with self._scope("conv2d_transpose"):
            pairs = zip(self._spread(outputs), self._factors(kernel), strict=True)
            return self._images([tf.matmul(a, b, transpose_b=True) for a, b in pairs])

    def _kernel_gradient(self, images: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        edge = self.stride * self.taps
        shape = (edge, edge, images.shape[-1], outputs.shape[-1])
        if images.shape[-1] < FEWEST_CHANNELS[self.stride]:
            return tf.raw_ops.Conv2DBackpropFilter(
                input=images,
                filter_sizes=shape,
                out_backprop=outputs,
                strides=(1, self.stride, self.stride, 1),
                padding="SAME",
            )
        with self._scope("kernel_gradient"):
            pairs = zip(self._tiles(images), self._spread(outputs), strict=True)
            return self._kernel([tf.matmul(a, b, transpose_a=True) for a, b in pairs], shape)

    def _scope(self, operation: str) -> tf.name_scope:
        """Names the ops, so that graphs and profiles show which convolutions take this form."""
        edge = self.stride * self.taps
        return tf.name_scope(f"winograd_{edge}x{edge}_{operation}")

    # The transforms, each beside its transpose. Between them are lists of matrices.

    def _factors(self, kernel: tf.Tensor) -> list[tf.Tensor]:
        taps, stride, (channels, filters) = self.taps, self.stride, kernel.shape[2:]
        kernel = tf.reshape(kernel, (taps, stride, taps, stride, channels, filters))
        kernel = tf.transpose(kernel, (0, 2, 1, 3, 4, 5))
        kernel = tf.reshape(kernel, (taps, taps, stride**2 * channels, filters))
        parts = [kernel[i, j] for i in range(taps) for j in range(taps)]
        return _both_ways(parts, self.g)

    def _kernel(self, factors: list[tf.Tensor], shape: Sequence[int]) -> tf.Tensor:
        taps, stride = self.taps, self.stride
        kernel = tf.stack(_both_ways(factors, self.g.T))
        kernel = tf.reshape(kernel, (taps, taps, stride, stride, *shape[2:]))
        return tf.reshape(tf.transpose(kernel, (0, 2, 1, 3, 4, 5)), shape)

    def _tiles(self, images: tf.Tensor) -> list[tf.Tensor]:
        padding = [
            (1, self.stride * blocks - 1 - edge)
            for blocks, edge in zip(self.grid, self.size, strict=True)
        ]
        grid = tf.pad(images, ((0, 0), *padding, (0, 0)))
        if self.stride > 1:
            grid = tf.nn.space_to_depth(grid, self.stride)
        rows, columns = (
            [slice(first, first + 2 * count - 1, 2) for first in range(self.taps + 1)]
            for count in self.tiles
        )
        parts = [grid[:, row][:, :, column] for row in rows for column in columns]
        return [tf.reshape(tile, (-1, grid.shape[3])) for tile in _both_ways(parts, self.b)]

    def _images(self, tiles: list[tf.Tensor]) -> tf.Tensor:
        tiles = [tf.reshape(tile, (-1, *self.tiles, tile.shape[1])) for tile in tiles]
        rows = _rows(_both_ways(tiles, self.b.T))
        grid = _overlapped([_overlapped(row, 2) for row in rows], 1)
        grid = grid[:, : self.grid[0], : self.grid[1]]
        if self.stride > 1:
            grid = tf.nn.depth_to_space(grid, self.stride)
        return grid[:, 1 : 1 + self.size[0], 1 : 1 + self.size[1]]

    def _outputs(self, products: list[tf.Tensor]) -> tf.Tensor:
        height, width = self.tiles
        products = [tf.reshape(part, (-1, height, width, part.shape[1])) for part in products]
        rows = [tf.stack(row, 3) for row in _rows(_both_ways(products, self.a))]
        whole = tf.reshape(tf.stack(rows, 2), (-1, 2 * height, 2 * width, products[0].shape[3]))
        return whole[:, : self.output_size[0], : self.output_size[1]]

    def _spread(self, outputs: tf.Tensor) -> list[tf.Tensor]:
        (height, width), filters = self.tiles, outputs.shape[3]
        odd = [edge % 2 for edge in self.output_size]
        outputs = tf.pad(outputs, ((0, 0), (0, odd[0]), (0, odd[1]), (0, 0)))
        outputs = tf.reshape(outputs, (-1, height, 2, width, 2, filters))
        parts = [outputs[:, :, i, :, j] for i in range(2) for j in range(2)]
        return [tf.reshape(part, (-1, filters)) for part in _both_ways(parts, self.a.T)]


def _with_gradients(operation: Callable, gradients: Callable, *inputs: tf.Tensor) -> tf.Tensor:
    """Returns the result of an operation, with our own gradients for its inputs."""
    return tf.custom_gradient(lambda *inputs: (operation(*inputs), gradients))(*inputs)


def _rows(parts: list[tf.Tensor]) -> list[list[tf.Tensor]]:
    edge = round(len(parts) ** 0.5)
    return [parts[first : first + edge] for first in range(0, len(parts), edge)]


def _both_ways(parts: list[tf.Tensor], matrix: np.ndarray) -> list[tf.Tensor]:
    """Returns matrix · parts · matrixᵀ, all row by row."""
    columns = list(zip(*_rows(parts), strict=True))
    lines = [[_sum(column, weights) for column in columns] for weights in matrix]
    return [_sum(line, weights) for line in lines for weights in matrix]


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
    lanes: list[tf.Tensor | None] = [None, None]
    for index, part in enumerate(parts):
        late, lane = divmod(index, 2)
        around = [[0, 0] for _ in part.shape]
        around[axis] = [late, 1 - late]
        moved = tf.pad(part, around)
        lanes[lane] = moved if lanes[lane] is None else lanes[lane] + moved
    both = tf.stack(lanes, axis + 1)
    shape = [-1, *both.shape[1:axis], 2 * both.shape[axis], *both.shape[axis + 2 :]]
    return tf.reshape(both, shape)
