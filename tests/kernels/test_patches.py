import numpy as np
import pytest
import tensorflow as tf
from convolution_checks import assert_same, gradients, numbers, second_gradients

from tfgan2.kernels import patches

# (height, width, channels, filters, kernel, stride, dilation): kernels larger and smaller than the
# image, taps that never meet it, odd and even edges.
SHAPES = [
    (8, 8, 3, 16, (5, 5), 2, 1),
    (4, 4, 5, 6, (5, 5), 2, 1),
    (2, 2, 4, 7, (4, 4), 2, 1),
    (1, 1, 4, 3, (4, 4), 2, 1),
    (1, 3, 4, 3, (3, 3), 2, 1),
    (2, 5, 3, 4, (3, 3), 1, 1),
    (7, 9, 2, 3, (4, 3), 2, 1),
    (3, 3, 2, 3, (7, 7), 1, 1),
    (5, 7, 3, 2, (3, 3), 3, 1),
    (6, 6, 3, 2, (1, 1), 2, 1),
    (8, 8, 3, 4, (3, 3), 1, 2),
    (8, 6, 3, 4, (3, 3), 1, 7),
    (8, 8, 3, 4, (3, 3), 1, 8),
    (8, 8, 3, 4, (3, 3), 1, 16),
    (4, 4, 3, 4, (2, 3), 1, 3),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_and_its_gradients_to_the_second_order(shape: tuple) -> None:
    height, width, channels, filters, kernel, stride, dilation = shape
    inputs = [numbers(3, height, width, channels), numbers(*kernel, channels, filters, seed=1)]

    def tensorflow(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        if dilation == 1:
            return tf.nn.conv2d(x, w, stride, "SAME")
        return dilated(x, w, dilation)  # TensorFlow's has no second gradient on the CPU

    assert_same(
        second_gradients(lambda x, w: patches.conv2d(x, w, stride, dilation), inputs),
        second_gradients(tensorflow, inputs),
    )


def dilated(images: tf.Tensor, kernel: tf.Tensor, dilation: int) -> tf.Tensor:
    """Convolves with a kernel that has zeros between its taps."""
    spread = [
        tf.one_hot(
            [tap * dilation for tap in range(taps)], (taps - 1) * dilation + 1, dtype="float64"
        )
        for taps in kernel.shape[:2]
    ]
    whole = tf.einsum("ijcn,ia,jb->abcn", kernel, *spread)
    return tf.nn.conv2d(images, whole, 1, "SAME")


@pytest.mark.parametrize("shape", [s for s in SHAPES if s[-1] == 1 and min(s[4]) >= s[5]])
def test_transposed_convolution_and_its_gradients(shape: tuple) -> None:
    height, width, channels, filters, kernel, stride, _ = shape
    inputs = [numbers(3, height, width, filters), numbers(*kernel, channels, filters, seed=1)]

    size = (3, stride * height, stride * width, channels)
    assert_same(
        gradients(lambda y, w: patches.conv2d_transpose(y, w, stride), inputs),
        gradients(lambda y, w: tf.nn.conv2d_transpose(y, w, size, stride, "SAME"), inputs),
    )


def test_taps_that_never_meet_the_image_are_left_out() -> None:
    def multiplications(size: int, edge: int, stride: int, dilation: int) -> int:
        graph = tf.function(lambda x, w: patches.conv2d(x, w, stride, dilation))
        inputs = numbers(1, size, size, 3), numbers(edge, edge, 3, 5)
        operations = graph.get_concrete_function(*inputs).graph.get_operations()
        (product,) = [op for op in operations if op.type == "MatMul"]
        (rows, inner), (_, columns) = [part.shape for part in product.inputs]
        return rows * inner * columns

    assert multiplications(8, 3, 1, 8) == 8 * 8 * 3 * 5  # only the middle tap is left
    assert multiplications(2, 4, 2, 1) == 2 * 2 * 3 * 5
    assert multiplications(8, 3, 1, 1) == 8 * 8 * 3 * 3 * 3 * 5


def test_a_kernel_that_never_meets_the_image_gives_zeros() -> None:
    outputs = patches.conv2d(numbers(1, 4, 4, 3), numbers(2, 2, 3, 5), 1, dilation=8)
    assert outputs.shape == (1, 4, 4, 5) and not np.any(outputs)
