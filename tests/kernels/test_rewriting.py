import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2 import registry
from tfgan2.kernels import compiled_update, patches, winograd
from tfgan2.kernels.rewriting import fastest_form, rewritten
from tfgan2.nn import penalties

IMAGES = np.random.RandomState(0).uniform(-1, 1, (16, 16, 16, 1)).astype(np.float32)


def kinds(model: keras.Model) -> list[type]:
    return [type(layer) for net in model.networks().values() for layer in net._flatten_layers()]


@pytest.fixture
def from_few_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", {1: 4, 2: 4})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dcgan", "sngan", "stylegan2", "began"])
@pytest.mark.usefixtures("from_few_channels")
def test_a_step_is_the_same_but_for_rounding(name: str) -> None:
    # Second derivatives are tested with `tfgan2.kernels.winograd`.
    after = []
    for convolutions in (False, True):
        model = registry.create(name, image_shape=(16, 16, 1), base_channels=8, seed=1)
        model.compile()
        before = kinds(model)

        def update(batch: tf.Tensor, model=model, before=before, convolutions=convolutions) -> dict:
            with rewritten(model.networks().values(), convolutions=convolutions):
                assert kinds(model) != before or not convolutions
                return model.train_step(batch)

        step = tf.function(update, autograph=False)
        batch = np.concatenate([IMAGES] * model.batches_per_step)
        metrics = [{k: float(v) for k, v in step(batch).items()} for _ in range(3)]
        assert kinds(model) == before
        after.append(metrics)
    for ours, theirs in zip(*after, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4)


def test_layers_are_restored_after_an_error() -> None:
    model = registry.create("dcgan", image_shape=(16, 16, 1), base_channels=4)
    before = kinds(model)
    with (
        pytest.raises(RuntimeError),
        rewritten(model.networks().values(), convolutions=True),
    ):
        raise RuntimeError
    assert kinds(model) == before


def test_half_precision_keeps_tensorflows_convolutions() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = registry.create("dcgan", image_shape=(16, 16, 1), base_channels=4)
    finally:
        keras.config.set_dtype_policy("float32")
    with rewritten(model.networks().values(), convolutions=True):
        changed = {kind.__name__ for kind in kinds(model) if kind.__name__.startswith("_")}
    assert changed == {"_ReLU", "_LeakyReLU"}


@pytest.mark.parametrize("kind", [keras.layers.ReLU, keras.layers.LeakyReLU])
def test_activations_have_no_second_derivative(kind: type) -> None:
    inputs = keras.Input((8, 8, 3))
    hidden = kind()(keras.layers.Conv2D(4, 3)(inputs))
    critic = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(hidden)))
    images = tf.constant(IMAGES[:4, :8, :8] * np.ones(3, np.float32))

    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            penalty = penalties.gradient_penalty(critic, images, -images, seed=[1, 2])
        return tape.gradient(penalty, critic.trainable_variables)

    def operations() -> tuple[list[np.ndarray], int]:
        graph = tf.function(gradients).get_concrete_function()
        kinds = [op.type for op in graph.graph.get_operations()]
        found = [None if part is None else part.numpy() for part in gradients()]
        return found, kinds.count("Conv2DBackpropFilter")

    plain, plain_count = operations()
    with rewritten([critic], convolutions=True):
        fast, fast_count = operations()
    assert fast_count == plain_count - 1
    for ours, theirs in zip(fast, plain, strict=True):
        if ours is None:  # biases do not move the gradient for the images
            assert theirs is None or not theirs.any()
        else:
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_updates_compiled_apart_equal_the_whole_step() -> None:
    after = []
    for apart in (False, True):
        model = registry.create(
            "wgan-gp", image_shape=(8, 8, 1), base_channels=4, seed=1, d_steps=3
        )
        model.compile()
        whole = tf.function(model.train_step, jit_compile=True, autograph=False)
        step = compiled_update(model, fast_convolutions=False) if apart else whole
        metrics = [step(tf.constant(IMAGES[:, :8, :8][:12])) for _ in range(3)]
        after.append([{key: float(value) for key, value in line.items()} for line in metrics])
    for ours, theirs in zip(*after, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5)


def test_a_game_with_phases_is_not_divided() -> None:
    model = registry.create("srgan", image_shape=(16, 16, 3), base_channels=4, blocks=1, d_steps=2)
    assert not model.is_divided
    shape = {"image_shape": (32, 32, 3), "base_channels": 8, "network": "mobile"}
    assert not registry.create("pix2pix", **shape, d_steps=2, quantize="int8").is_divided
    assert registry.create("dcgan", image_shape=(8, 8, 1), base_channels=4, d_steps=2).is_divided
    assert not registry.create("dcgan", image_shape=(8, 8, 1), base_channels=4).is_divided


@pytest.mark.parametrize("kind", [keras.layers.ReLU, keras.layers.LeakyReLU])
def test_activations_keep_nan(kind: type) -> None:
    inputs = keras.Input((3,))
    network = keras.Model(inputs, kind()(inputs))
    values = tf.constant([[np.nan, np.inf, -1.0]])
    expected = network(values)
    with rewritten([network], convolutions=True):
        np.testing.assert_array_equal(network(values), expected)
    assert np.isnan(expected[0, 0])


def test_convolutions_of_small_images_become_matrix_multiplications() -> None:
    inputs = keras.Input((8, 8, 3), batch_size=2)
    x = keras.layers.Conv2D(16, 3, padding="same", dilation_rate=8)(inputs)
    x = keras.layers.Conv2D(32, 5, 2, "same", activation="tanh")(x)
    x = keras.layers.Conv2D(32, 4, 2, "same", use_bias=False)(x)
    x = keras.layers.Conv2DTranspose(16, 4, 2, "same", activation="tanh")(x)
    network = keras.Model(inputs, keras.layers.Conv2D(16, 3, padding="same")(x))
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(rng.normal(size=weight.shape) / 10)
    images = tf.constant(IMAGES[:2, :8, :8] * np.ones(3, np.float32))

    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = network(images)
            loss = tf.reduce_sum(tf.sin(outputs))
        return [outputs, *tape.gradient(loss, [images, *network.trainable_variables])]

    def operations() -> tuple[list[tf.Tensor], set[str]]:
        graph = tf.function(gradients).get_concrete_function()
        return graph(), {op.type for op in graph.graph.get_operations() if "Conv2D" in op.type}

    plain, before = operations()
    with rewritten([network], convolutions=True):
        fast, after = operations()
    assert before and not after
    for ours, theirs in zip(fast, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "images", "stride", "dilation", "expected"),
    [
        # Up to 64 output pixels in the batch.
        ((4, 4, 512, 512), (1, 16, 16), 2, 1, patches),
        ((4, 4, 512, 512), (1, 17, 16), 2, 1, winograd),
        ((4, 4, 512, 512), (16, 4, 4), 2, 1, patches),
        ((4, 4, 512, 512), (17, 4, 4), 2, 1, winograd),
        ((3, 3, 64, 64), (1, 8, 8), 1, 1, patches),
        ((3, 3, 64, 64), (1, 9, 8), 1, 1, None),
        ((1, 1, 512, 512), (1, 4, 4), 1, 1, None),
        # Too few filters to gather patches for.
        ((4, 4, 512, 15), (1, 4, 4), 2, 1, winograd),
        ((5, 5, 128, 15), (64, 8, 8), 2, 1, None),
        # Most taps of a dilated kernel never meet the image.
        ((3, 3, 8, 16), (64, 8, 8), 1, 8, patches),
        ((3, 3, 8, 16), (64, 8, 9), 1, 8, None),
        ((3, 3, 256, 256), (64, 8, 8), 1, 4, None),
        # Winograd's filtering has kernels of two kinds.
        ((4, 4, 3, 64), (64, 16, 16), 2, 1, winograd),
        ((3, 3, 128, 128), (64, 16, 16), 1, 1, winograd),
        ((3, 3, 128, 127), (64, 16, 16), 1, 1, None),
        ((4, 4, 256, 128), (64, 16, 16), 1, 1, None),
        ((3, 3, 256, 128), (64, 16, 16), 2, 1, None),
        ((4, 3, 256, 128), (64, 16, 16), 2, 1, None),
        # A kernel larger than its output.
        ((5, 5, 128, 256), (64, 8, 8), 2, 1, patches),
        ((5, 5, 128, 256), (64, 10, 10), 2, 1, None),
        ((5, 5, 128, 256), (64, None, 8), 2, 1, None),
        ((4, 4, 512, 512), (None, None, None), 2, 1, None),
    ],
)
def test_the_fastest_form(
    kernel: tuple, images: tuple, stride: int, dilation: int, expected: object
) -> None:
    assert fastest_form(kernel, (*images, kernel[2]), stride, dilation) is expected
