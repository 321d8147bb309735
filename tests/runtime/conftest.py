"""Exported files for the runtime to run."""

from __future__ import annotations

from pathlib import Path

import pytest


def small_generator(classes: int):
    import keras  # here, so that collecting these tests loads no TensorFlow

    layers = keras.layers
    keras.utils.set_random_seed(classes)
    z = keras.Input((6,), name="z")
    inputs, x = [z], z
    if classes:
        inputs.append(keras.Input((), dtype="int32", name="label"))
        x = layers.Concatenate()([x, layers.Embedding(classes, 6, "glorot_normal")(inputs[1])])
    x = layers.Reshape((4, 4, 4))(layers.Dense(64)(x))
    x = layers.Conv2DTranspose(3, 4, 2, padding="same", activation="tanh")(layers.ReLU()(x))
    return keras.Model(inputs if classes else z, x)


@pytest.fixture(scope="session")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """generator.onnx and generator.tflite with the classes cat, dog and 0, uniform latents."""
    from tfgan2.export import Options, export_generator

    folder = tmp_path_factory.mktemp("conditional")
    export_generator(
        small_generator(3),
        folder,
        Options(["onnx", "tflite"]),
        latent_distribution="uniform",
        class_names=["cat", "dog", "0"],
    )
    return folder


@pytest.fixture(scope="session")
def unconditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """generator.onnx and generator.tflite without labels, a fixed batch of 4."""
    from tfgan2.export import Options, export_generator

    folder = tmp_path_factory.mktemp("unconditional")
    export_generator(small_generator(0), folder, Options(["onnx", "tflite"], batch=4))
    return folder


@pytest.fixture(params=["generator.onnx", "generator.tflite"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param
