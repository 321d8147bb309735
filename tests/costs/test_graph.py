"""FLOPs compared with calculations by hand and with TensorFlow's profiler."""

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
    """Counts a layer forward and backward."""
    layer.build((BATCH, *shape))

    def step(inputs: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(layer(inputs) ** 2)
        sources = [layer.kernel.value, *([inputs] if of_input else [])]
        return tape.gradient(loss, sources)

    return counted(step, (BATCH, *shape))


layers = tf.keras.layers
# Multiplications of one pass: output positions times the kernel elements that each one meets.
DENSE = BATCH * 5 * 3
CONV = BATCH * (4 * 4) * (3 * 3 * 3 * 6)
TRANSPOSED = BATCH * (4 * 4) * (4 * 4 * 6 * 2)
DEPTHWISE = BATCH * (8 * 8) * (3 * 3 * 3 * 2)


@pytest.mark.parametrize(
    ("layer", "shape", "multiplications"),
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
def test_layers_forward_and_backward(layer: Callable, shape: tuple, multiplications: int) -> None:
    # The gradients of kernel and input take as many multiplications as the layer. TensorFlow always
    # traces that of the input, but runs it only if it is used.
    assert with_gradients(layer(), shape, of_input=False).flops == 2 * 2 * multiplications
    assert with_gradients(layer(), shape, of_input=True).flops == 3 * 2 * multiplications


def test_matrices() -> None:
    def batched(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.matmul(a, b, transpose_a=True)

    assert counted(batched, (7, 5, 2), (7, 5, 3)).flops == 2 * 7 * 2 * 5 * 3

    def summed(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.einsum("bij,bjk->bik", a, b)

    assert counted(summed, (7, 2, 5), (7, 5, 3)).flops == 2 * 7 * 2 * 5 * 3
    assert counted(lambda a: tf.einsum("ij->ji", a), (2, 3)).flops == 0


def test_tensorflows_profiler_agrees() -> None:
    def step(x: tf.Tensor, kernel: tf.Tensor, matrix: tf.Tensor, up: tf.Tensor) -> list:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel, matrix])
            y = tf.nn.conv2d(x, kernel, 2, "SAME")
            y = tf.matmul(tf.reshape(y, (BATCH, -1)), matrix)
        return tape.gradient(y, [x, kernel, matrix], output_gradients=up)

    shapes = [(BATCH, 8, 8, 3), (4, 4, 3, 5), (4 * 4 * 5, 7), (BATCH, 7)]
    function = tf.function(step, autograph=False).get_concrete_function(
        *(tf.TensorSpec(shape, tf.float32) for shape in shapes)
    )
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    found = profiler.profile(function.graph, options=options.with_empty_output().build())
    # The profiler also counts the forward multiplication, which the gradients do not need.
    first = 2 * BATCH * 4 * 4 * 5 * 7
    assert count(function).flops == found.total_float_ops - first


def test_functions_and_branches_are_followed_and_loops_refused() -> None:
    inner = tf.function(lambda x: tf.matmul(x, x), autograph=False)
    once = counted(lambda x: inner(x), (3, 3)).flops
    assert once == 2 * 27 and counted(lambda x: inner(inner(x)), (3, 3)).flops == 2 * once

    def branched(x: tf.Tensor) -> tf.Tensor:
        return tf.cond(x[0, 0] > 0, lambda: inner(inner(x)), lambda: inner(x))

    assert counted(branched, (3, 3)).flops == 2 * once

    def looped(x: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda y: y[0, 0] > 0, inner, [x])[0]

    with pytest.raises(UserError, match=r"the loop .* is unknown.*write it as a Python loop"):
        counted(looped, (3, 3))


def test_sizes_must_be_known() -> None:
    with pytest.raises(UserError, match=r"MatMul .* has an unknown shape.*fixed batch"):
        counted(lambda x: tf.matmul(x, x), (None, None))


def test_bytes_and_sums() -> None:
    work = counted(lambda a, b: tf.nn.relu(tf.matmul(a, b)), (2, 3), (3, 5))
    assert (work.matrix_ops, work.unsized_ops) == (1, 0)
    assert work.moved_bytes == 4 * (6 + 15 + 10) + 4 * (10 + 10)
    assert work.written_bytes == 4 * (10 + 10)
    assert work.flops_by == {("MatMul", "float32"): 60}
    twice, weighted = Work(), Work()
    twice.add(work)
    twice.add(work)
    weighted.add(work, 2)
    weighted.add(Work(), 3)
    assert twice == weighted and twice.flops == 120


def test_an_assignment_writes() -> None:
    variable = tf.Variable(tf.zeros((3, 5)))
    work = counted(lambda x: variable.assign(x).shape and tf.constant(0), (3, 5))
    assert work.written_bytes == 4 * 15
