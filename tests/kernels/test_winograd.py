import pytest
import tensorflow as tf
from convolution_checks import (
    assert_same,
    gradients,
    numbers,
    relative_error,
    second_gradients,
)

from tfgan2.kernels import winograd


@pytest.fixture(autouse=True)
def from_few_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", {1: 16, 2: 16})


# (height, width, channels, filters, stride): even and odd edges, few and many channels.
SHAPES = [
    (8, 8, 16, 24, 2),
    (14, 10, 16, 24, 2),
    (7, 9, 16, 8, 2),
    (6, 6, 3, 8, 2),
    (2, 2, 16, 4, 2),
    (8, 6, 16, 8, 1),
    (7, 5, 17, 8, 1),
    (5, 6, 3, 8, 1),
]


def images_and_kernel(shape: tuple[int, ...]) -> tuple[tf.Tensor, tf.Tensor]:
    height, width, channels, filters, stride = shape
    edge = 4 if stride == 2 else 3
    return numbers(3, height, width, channels), numbers(edge, edge, channels, filters, seed=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_and_its_gradients_to_the_second_order(shape: tuple[int, ...]) -> None:
    inputs = images_and_kernel(shape)
    stride = shape[-1]
    assert_same(
        second_gradients(lambda x, w: winograd.conv2d(x, w, stride), inputs),
        second_gradients(lambda x, w: tf.nn.conv2d(x, w, stride, "SAME"), inputs),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_transposed_convolution_and_its_gradients(shape: tuple[int, ...]) -> None:
    height, width, channels, filters, stride = shape
    _, kernel = images_and_kernel(shape)
    inputs = [numbers(3, height, width, filters), kernel]
    size = (3, stride * height, stride * width, channels)
    assert_same(
        gradients(lambda y, w: winograd.conv2d_transpose(y, w, stride), inputs),
        gradients(lambda y, w: tf.nn.conv2d_transpose(y, w, size, stride, "SAME"), inputs),
    )


@pytest.mark.parametrize("stride", [1, 2])
def test_rounding_in_float32_is_that_of_other_convolutions(stride: int) -> None:
    images, kernel = images_and_kernel((16, 16, 64, 64, stride))
    exact = tf.nn.conv2d(images, kernel, stride, "SAME")
    single = [tf.cast(part, tf.float32) for part in (images, kernel)]
    ours = relative_error(tf.cast(winograd.conv2d(*single, stride), tf.float64), exact)
    theirs = relative_error(tf.cast(tf.nn.conv2d(*single, stride, "SAME"), tf.float64), exact)
    assert ours < 5 * theirs < 1e-5


def test_fewer_multiplications() -> None:
    images, kernel = images_and_kernel((16, 16, 64, 128, 2))

    graph = tf.function(lambda x, w: winograd.conv2d(x, w, 2))
    operations = graph.get_concrete_function(images, kernel).graph.get_operations()
    shapes = [[part.shape for part in op.inputs] for op in operations if op.type == "MatMul"]
    products = sum(rows * inner * columns for (rows, inner), (_, columns) in shapes)
    direct = 3 * 8 * 8 * 16 * 64 * 128
    assert products == direct * 9 // 16
