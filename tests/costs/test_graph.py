"""FLOPs against those worked out by hand, and against TensorFlow's profiler."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from tfgan2.costs.graph import Work, count
from tfgan2.errors import UserError

BATCH = 4


def counted(function: Callable, *shapes: tuple[int | None, ...]) -> Work:
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return count(tf.function(function, autograph=False).get_concrete_function(*specs))


def with_gradients(layer: tf.keras.layers.Layer, shape: tuple[int, ...], of_input: bool) -> Work:
    """A layer forward and backward."""
    layer.build((BATCH, *shape))

    def step(inputs: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(layer(inputs) ** 2)
        sources = [layer.kernel.value, *([inputs] if of_input else [])]
        return tape.gradient(loss, sources)

    return counted(step, (BATCH, *shape))


layers = tf.keras.layers
# Products of one pass: places of the output, times elements of the kernel that each meets.
DENSE = BATCH * 5 * 3
CONV = BATCH * (4 * 4) * (3 * 3 * 3 * 6)
TRANSPOSED = BATCH * (4 * 4) * (4 * 4 * 6 * 2)
DEPTHWISE = BATCH * (8 * 8) * (3 * 3 * 3 * 2)


@pytest.mark.parametrize(
    ("layer", "shape", "products"),
    [
        (lambda: layers.Dense(3), (5,), DENSE),
        (lambda: layers.Conv2D(6, 3, strides=2, padding="same"), (8, 8, 3), CONV),
        (lambda: layers.Conv2D(6, 3, padding="valid"), (6, 6, 3), CONV),
        (lambda: layers.Conv2D(6, 3, padding="same", dilation_rate=2), (4, 4, 3), CONV),
        (lambda: layers.Conv2D(6, 3, padding="same", groups=3), (4, 4, 3), CONV // 3),
        (
            lambda: layers.Conv2DTranspose(2, 4, strides=2, padding="same"),
            (4, 4, 6),
            TRANSPOSED,
        ),
        (
            lambda: layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
            (8, 8, 3),
            DEPTHWISE,
        ),
    ],
    ids=["dense", "strided", "valid", "dilated", "grouped", "transposed", "depthwise"],
)
def test_layers_forward_and_backward(layer: Callable, shape: tuple, products: int) -> None:
    # The gradient of the kernel takes as many products as the layer, and so does that of the input,
    # which TensorFlow traces always and runs where it is asked for.
    assert with_gradients(layer(), shape, of_input=False).total_flops == 2 * 2 * products
    assert with_gradients(layer(), shape, of_input=True).total_flops == 3 * 2 * products


def test_matrices() -> None:
    def batched(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.matmul(a, b, transpose_a=True)

    assert counted(batched, (7, 5, 2), (7, 5, 3)).total_flops == 2 * 7 * 2 * 5 * 3

    def summed(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.einsum("bij,bjk->bik", a, b)

    assert counted(summed, (7, 2, 5), (7, 5, 3)).total_flops == 2 * 7 * 2 * 5 * 3
    assert counted(lambda a: tf.einsum("ij->ji", a), (2, 3)).total_flops == 0


def test_the_profiler_of_tensorflow_says_the_same() -> None:
    def step(x: tf.Tensor, kernel: tf.Tensor, matrix: tf.Tensor, up: tf.Tensor) -> list:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel, matrix])
            made = tf.nn.conv2d(x, kernel, 2, "SAME")
            made = tf.matmul(tf.reshape(made, (BATCH, -1)), matrix)
        return tape.gradient(made, [x, kernel, matrix], output_gradients=up)

    shapes = [(BATCH, 8, 8, 3), (4, 4, 3, 5), (4 * 4 * 5, 7), (BATCH, 7)]
    function = tf.function(step, autograph=False).get_concrete_function(
        *(tf.TensorSpec(shape, tf.float32) for shape in shapes)
    )
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    found = profiler.profile(function.graph, options=options.with_empty_output().build())
    # It counts the first product, which the gradients do not need, as well.
    first = 2 * BATCH * 4 * 4 * 5 * 7
    assert count(function).total_flops == found.total_float_ops - first


def test_functions_and_branches_are_followed_and_loops_refused() -> None:
    inner = tf.function(lambda x: tf.matmul(x, x), autograph=False)
    once = counted(lambda x: inner(x), (3, 3)).total_flops
    assert once == 2 * 27 and counted(lambda x: inner(inner(x)), (3, 3)).total_flops == 2 * once

    def branched(x: tf.Tensor) -> tf.Tensor:
        return tf.cond(x[0, 0] > 0, lambda: inner(inner(x)), lambda: inner(x))

    assert counted(branched, (3, 3)).total_flops == 2 * once

    def looped(x: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda y: y[0, 0] > 0, inner, [x])[0]

    with pytest.raises(UserError, match=r"holds a loop.*write it as a loop of Python"):
        counted(looped, (3, 3))


def test_sizes_must_be_known() -> None:
    with pytest.raises(UserError, match=r"does not tell the sizes of MatMul.*fixed batch"):
        counted(lambda x: tf.matmul(x, x), (None, None))


def test_bytes_and_work_that_is_added_up() -> None:
    work = counted(lambda a, b: tf.nn.relu(tf.matmul(a, b)), (2, 3), (3, 5))
    assert (work.products, work.others, work.unsized) == (1, 1, 0)
    assert work.product_bytes == 4 * (6 + 15 + 10) and work.other_bytes == 4 * (10 + 10)
    assert work.written_bytes == 4 * (10 + 10)
    assert work.flops == {"float32": 60} and work.by_op == {"MatMul": 60}
    twice = work + work
    assert twice == work * 2 and twice.total_flops == 120
    assert work + Work() == work


def test_an_assignment_writes() -> None:
    variable = tf.Variable(tf.zeros((3, 5)))
    work = counted(lambda x: variable.assign(x).shape and tf.constant(0), (3, 5))
    assert work.written_bytes == 4 * 15
