"""Weight normalization against its formula, in training, mixed precision and exports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.export import export_generator
from tfgan2.nn.layers import (
    GatedLinearUnit,
    ImageRange,
    SpectralNormalization,
    WeightNormalization,
)

layers = keras.layers

# A layer, the axes of its norm, and the shape of its input.
KINDS = {
    "dense": (lambda **kw: layers.Dense(5, **kw), (0,), (6,)),
    "conv1d": (lambda **kw: layers.Conv1D(5, 3, **kw), (0, 1), (7, 3)),
    "conv2d": (lambda **kw: layers.Conv2D(5, 3, 2, **kw), (0, 1, 2), (8, 8, 3)),
    "conv2d_transpose": (lambda **kw: layers.Conv2DTranspose(5, 4, 2, **kw), (0, 1, 3), (4, 4, 3)),
    "depthwise": (
        lambda **kw: layers.DepthwiseConv2D(3, depth_multiplier=2, **kw),
        (0, 1),
        (8, 8, 3),
    ),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple:
    return request.param


def inputs_of(shape: tuple[int, ...], count: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1.0, 3.0, (count, *shape)).astype(np.float32)


def channels(outputs: tf.Tensor) -> np.ndarray:
    """Shape (everything else, channels)."""
    values = np.asarray(outputs, np.float64)
    return values.reshape(-1, values.shape[-1])


def set_at_random(layer: keras.layers.Layer, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(0.5, 1.0, variable.shape))


def kernel_by_hand(wrapped: WeightNormalization, axes: tuple[int, ...]) -> np.ndarray:
    v = wrapped.layer.kernel.numpy().astype(np.float64)
    norm = np.sqrt((v**2).sum(axis=axes, keepdims=True))
    return wrapped.g.numpy().reshape(norm.shape) * v / norm


# --- what it computes ----------------------------------------------------------------------------


def test_outputs_are_those_of_the_normalized_kernel(kind: tuple) -> None:
    make, axes, shape = kind
    x = inputs_of(shape)
    wrapped, plain = WeightNormalization(make(activation="tanh")), make(activation="tanh")
    wrapped.build(x.shape)
    plain.build(x.shape)
    set_at_random(wrapped)
    v = wrapped.layer.kernel.numpy()
    plain.kernel.assign(kernel_by_hand(wrapped, axes))
    plain.bias.assign(wrapped.layer.bias)
    np.testing.assert_allclose(wrapped(x), plain(x), atol=1e-5)
    np.testing.assert_array_equal(wrapped.layer.kernel.numpy(), v)  # unchanged
    assert wrapped.compute_output_shape(x.shape) == plain(x).shape


def test_initial_outputs_are_those_of_the_layer(kind: tuple) -> None:
    make, _, shape = kind
    x = inputs_of(shape)
    wrapped = WeightNormalization(make())
    np.testing.assert_allclose(wrapped(x), wrapped.layer(x), atol=1e-5)


def test_gradients_by_hand(kind: tuple) -> None:
    make, axes, shape = kind
    x, wrapped = inputs_of(shape), WeightNormalization(make(), data_init=False)
    wrapped.build(x.shape)
    set_at_random(wrapped)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(wrapped(x, training=True)))
    by_g, by_v, by_bias = tape.gradient(loss, [wrapped.g, wrapped.layer.kernel, wrapped.layer.bias])
    # From the gradient of the kernel w, as in the paper: dg = dw . v / |v|, and
    # dv = g / |v| dw - g dg / |v|^2 v.
    plain = make()
    plain.build(x.shape)
    plain.kernel.assign(kernel_by_hand(wrapped, axes))
    plain.bias.assign(wrapped.layer.bias)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(plain(x)))
    by_w, by_plain_bias = tape.gradient(loss, [plain.kernel, plain.bias])
    v = wrapped.layer.kernel.numpy()
    norm = np.sqrt((v**2).sum(axis=axes, keepdims=True))
    expected_g = (by_w.numpy() * v).sum(axis=axes, keepdims=True) / norm
    g = wrapped.g.numpy().reshape(norm.shape)
    expected_v = g / norm * by_w.numpy() - g * expected_g / norm**2 * v
    tolerance = {"rtol": 1e-3, "atol": 1e-3 * float(np.abs(by_w).max())}
    np.testing.assert_allclose(by_g, expected_g.ravel(), **tolerance)
    np.testing.assert_allclose(by_v, expected_v, **tolerance)
    np.testing.assert_allclose(by_bias, by_plain_bias, **tolerance)
    assert np.abs((by_v.numpy() * v).sum(axis=axes)).max() < tolerance["atol"]  # orthogonal


# --- the initialization from data -----------------------------------------------------------


@pytest.mark.parametrize("jit", [None, False, True])
def test_first_training_call_standardizes_each_channel(kind: tuple, jit: bool | None) -> None:
    make, _, shape = kind
    wrapped = WeightNormalization(make(activation="relu"))
    wrapped.build((None, *shape))
    call = lambda x: wrapped(x, training=True)  # noqa: E731
    if jit is not None:
        call = tf.function(call, jit_compile=jit)
    first = call(inputs_of(shape))
    assert (first.numpy() >= 0).all()  # with the activation
    assert float(wrapped.initialized.numpy()) == 1.0
    state = [variable.numpy() for variable in wrapped.variables]
    call(inputs_of(shape, seed=1) * 5)
    for before, after in zip(state, wrapped.variables, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    wrapped.layer.activation = None
    outputs = channels(wrapped(inputs_of(shape)))
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.std(axis=0), 1, atol=1e-4)
    np.testing.assert_allclose(channels(first), np.maximum(outputs, 0), atol=1e-4)


def test_a_layer_without_bias_gets_the_scale_alone() -> None:
    x, wrapped = inputs_of((6,)), WeightNormalization(layers.Dense(5, use_bias=False))
    outputs = channels(wrapped(x, training=True))
    np.testing.assert_allclose(outputs.std(axis=0), 1, atol=1e-4)
    assert np.abs(outputs.mean(axis=0)).max() > 0.05


def test_inference_does_not_initialize() -> None:
    x, wrapped = inputs_of((6,)), WeightNormalization(layers.Dense(5))
    wrapped.build(x.shape)
    state = [variable.numpy() for variable in wrapped.variables]
    for training in (None, False):
        wrapped(x, training=training)
    for before, after in zip(state, wrapped.variables, strict=True):
        np.testing.assert_array_equal(before, after.numpy())


def test_without_data_init() -> None:
    x, wrapped = inputs_of((6,)), WeightNormalization(layers.Dense(5), data_init=False)
    np.testing.assert_allclose(wrapped(x, training=True), wrapped.layer(x), atol=1e-5)
    assert float(wrapped.initialized.numpy()) == 0.0


def test_the_first_training_step_has_gradients() -> None:
    x, wrapped = inputs_of((6,)), WeightNormalization(layers.Dense(5))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(wrapped(x, training=True) ** 3)
    for gradient in tape.gradient(loss, wrapped.trainable_variables):
        assert np.abs(gradient.numpy()).max() > 0


@pytest.mark.slow
def test_replicas_initialize_alike() -> None:
    code = """
import numpy as np, keras, tensorflow as tf
from tfgan2.nn.layers import SpectralNormalization, WeightNormalization
cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.random.default_rng(0).normal(1.0, 3.0, (32, 6)).astype(np.float32)
x[16:] *= 4
with strategy.scope():
    wrapped = WeightNormalization(keras.layers.Dense(5))
    wrapped.build((None, 6))
def half(context):
    return tf.constant(x[:16] if context.replica_id_in_sync_group == 0 else x[16:])
halves = strategy.experimental_distribute_values_from_function(half)
@tf.function
def step(x):
    return strategy.run(lambda x: wrapped(x, training=True), args=(x,))
for _ in range(2):
    outputs = np.concatenate(strategy.experimental_local_results(step(halves)))
np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-4)
np.testing.assert_allclose(outputs.std(axis=0), 1, atol=1e-4)
for variable in (wrapped.g, wrapped.layer.bias):
    first, second = strategy.experimental_local_results(variable.value)
    np.testing.assert_array_equal(first.numpy(), second.numpy())
print("alike")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.endswith("alike\n"), run.stderr


# --- in models -----------------------------------------------------------------------------------


def small_generator(policy: str = "float32") -> keras.Model:
    """A generator from "z", shape (8,), to images, shape (8, 8, 3)."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        z = keras.Input((8,), name="z", dtype="float32")
        x = WeightNormalization(layers.Dense(4 * 4 * 6))(z)
        x = layers.LeakyReLU(0.2)(layers.Reshape((4, 4, 6))(x))
        x = WeightNormalization(layers.Conv2DTranspose(3, 4, 2, padding="same"))(x)
        x = layers.Activation("tanh", dtype="float32")(x)
    finally:
        keras.config.set_dtype_policy(before)
    return keras.Model(z, x)


def latents(count: int = 16) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((count, 8), np.float32)


@pytest.mark.parametrize("jit", [False, True])
def test_trains_in_a_model(jit: bool) -> None:
    generator = small_generator()
    generator.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit)
    start = generator(latents(), training=False).numpy()
    target = np.full((16, 8, 8, 3), 0.5, np.float32)
    losses = generator.fit(latents(), target, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
    assert np.abs(generator(latents(), training=False) - start).max() > 0.1
    assert all(
        layer.initialized.numpy() == 1 for layer in generator.layers if "weight" in layer.name
    )


def test_clone_and_saved_file_compute_the_same(tmp_path: Path) -> None:
    generator = small_generator()
    generator(latents(), training=True)
    images = generator(latents(), training=False).numpy()
    clone = keras.models.clone_model(generator)
    clone.set_weights(generator.get_weights())
    np.testing.assert_array_equal(clone(latents(), training=False), images)
    clone(latents() * 9, training=True)  # initialized already
    np.testing.assert_array_equal(clone(latents(), training=False), images)
    generator.save(tmp_path / "generator.keras")
    loaded = keras.models.load_model(tmp_path / "generator.keras")
    np.testing.assert_array_equal(loaded(latents(), training=False), images)
    assert [w.shape for w in loaded.weights] == [w.shape for w in generator.weights]


def test_serialization_keeps_the_configuration() -> None:
    wrapped = WeightNormalization(layers.Dense(5, dtype="mixed_float16"), False, name="here")
    config = keras.saving.serialize_keras_object(wrapped)
    again = keras.saving.deserialize_keras_object(config)
    assert isinstance(again, WeightNormalization)
    assert (again.name, again.data_init, again.layer.units) == ("here", False, 5)
    assert again.layer.dtype_policy.name == "mixed_float16"
    assert again.dtype_policy.name == "float32"


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_under_mixed_precision(policy: str) -> None:
    half, full = small_generator(policy), small_generator()
    full.set_weights(half.get_weights())
    for model in (half, full):
        model(latents(), training=True)
        assert {variable.dtype for variable in model.variables} == {"float32"}
    assert half.layers[1].output.dtype == policy.removeprefix("mixed_")
    difference = half(latents(), training=False) - full(latents(), training=False)
    assert np.abs(difference).max() < (0.01 if policy == "mixed_float16" else 0.08)


def test_the_norm_of_small_weights_survives_half_precision() -> None:
    layer = layers.Dense(4, dtype="mixed_float16")
    x, wrapped = inputs_of((6,)), WeightNormalization(layer, data_init=False)
    wrapped.build(x.shape)
    layer.kernel.assign(layer.kernel * 1e-5)  # squares far below what float16 can hold
    expected = x @ kernel_by_hand(wrapped, (0,))
    np.testing.assert_allclose(wrapped(x), expected, rtol=0.01, atol=0.02)


def test_stateless_call_uses_its_values() -> None:
    x, wrapped = inputs_of((6,)), WeightNormalization(layers.Dense(5), data_init=False)
    before = wrapped(x).numpy()
    values = [variable.numpy() * 2 for variable in wrapped.trainable_variables]
    bias = next(i for i, v in enumerate(wrapped.trainable_variables) if v.name == "bias")
    values[bias] += 7.0
    outputs, _ = wrapped.stateless_call(
        values, [v.numpy() for v in wrapped.non_trainable_variables], x
    )
    np.testing.assert_allclose(outputs, before * 2 + 7.0, atol=1e-4)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_exported(policy: str, tmp_path: Path) -> None:
    generator = small_generator(policy)
    generator(latents(), training=True)
    artifacts = export_generator(generator, tmp_path / "export")  # verifies each
    assert {item.format for item in artifacts} == {"saved_model", "tflite", "onnx"}
    for item in artifacts:
        assert item.max_difference < 1e-4


# --- refusals ------------------------------------------------------------------------------------


def test_a_layer_without_a_kernel_is_refused() -> None:
    with pytest.raises(UserError, match="needs a layer with a kernel, not Flatten"):
        WeightNormalization(layers.Flatten())(inputs_of((4, 2)))


def test_an_activity_regularizer_of_the_layer_is_refused() -> None:
    with pytest.raises(UserError, match="give activity_regularizer to WeightNormalization"):
        WeightNormalization(layers.Dense(5, activity_regularizer="l2"))
    wrapped = WeightNormalization(layers.Dense(5), activity_regularizer="l2")
    wrapped(inputs_of((6,)))
    assert len(wrapped.losses) == 1


def test_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="isn't a supported layer type"):
        WeightNormalization(3)


def test_image_range_clips_and_passes_gradients_back_inside() -> None:
    values = tf.constant([-3.0, -3.0, -0.5, 0.5, 2.0, 2.0])
    upstream = tf.constant([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    layer = ImageRange()
    with tf.GradientTape() as tape:
        tape.watch(values)
        clipped = layer(values)
    np.testing.assert_array_equal(clipped, [-1.0, -1.0, -0.5, 0.5, 1.0, 1.0])
    # Descent moves against the gradient: none that leads further outside may pass.
    gradient = tape.gradient(clipped, values, output_gradients=upstream)
    np.testing.assert_array_equal(gradient, [0.0, -1.0, 1.0, -1.0, 1.0, 0.0])


def test_image_range_lets_descent_return_inside() -> None:
    outside = tf.Variable([8.0, -8.0])
    for _ in range(100):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.abs(ImageRange()(outside) - [0.25, -0.25]))
        outside.assign_sub(0.1 * tape.gradient(loss, outside))
    np.testing.assert_allclose(outside, [0.25, -0.25], atol=0.1)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_spectral_normalization_keeps_the_kernel_in_float32(policy: str) -> None:
    kernels = []
    for dtype in ("float32", policy):
        dense = keras.layers.Dense(
            16, kernel_initializer=keras.initializers.GlorotUniform(1), dtype=dtype
        )
        layer = SpectralNormalization(dense)
        inputs = keras.Input((8,), dtype="float32")
        model = keras.Model(inputs, keras.layers.Activation("relu", dtype=dtype)(layer(inputs)))
        layer.vector_u.assign(keras.initializers.RandomNormal(seed=2)((1, 16)))
        for _ in range(20):
            outputs = model(np.ones((2, 8), np.float32), training=True)
        assert model.output.dtype == outputs.dtype == dtype.removeprefix("mixed_")
        kernels.append(dense.kernel.numpy())
        again = keras.layers.deserialize(keras.layers.serialize(layer))
        assert again.layer.dtype_policy.name == dtype and again.variable_dtype == "float32"
    assert np.linalg.norm(kernels[0], 2) == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(kernels[1], kernels[0], rtol=1e-6)


def test_gated_linear_unit(tmp_path: Path) -> None:
    inputs = keras.Input((2, 3, 6))
    model = keras.Model(inputs, GatedLinearUnit()(inputs))
    assert model.output_shape == (None, 2, 3, 3)
    x = np.random.default_rng(0).normal(size=(4, 2, 3, 6)).astype(np.float32)
    expected = x[..., :3] / (1 + np.exp(-x[..., 3:].astype(np.float64)))
    np.testing.assert_allclose(model(x), expected, rtol=1e-5)
    model.save(tmp_path / "x.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "x.keras")(x), model(x))
