"""Small generators and their exports, each converted once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from tfgan2.export import PRECISIONS, Artifact, Options, export_generator

layers = keras.layers


@dataclass(frozen=True)
class Exported:
    generator: keras.Model
    folder: Path
    artifacts: list[Artifact]

    def of(self, model_format: str, precision: str = "float32") -> Artifact:
        (found,) = [
            a for a in self.artifacts if (a.format, a.precision) == (model_format, precision)
        ]
        return found


def settle(generator: keras.Model) -> None:
    """Gives the batch norms the statistics of training and the output its full range."""
    rng = np.random.default_rng(0)
    feed = {"z": rng.standard_normal((64, generator.inputs[0].shape[-1]), np.float32)}
    if len(generator.inputs) > 1:
        feed["label"] = np.arange(64, dtype=np.int32) % 3
    fed = [feed[item.name] for item in generator.inputs]
    for layer in generator._flatten_layers(recursive=True):
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.5
            layer.gamma.assign(rng.uniform(0.8, 1.2, layer.gamma.shape))
            layer.beta.assign(rng.normal(0.0, 0.2, layer.beta.shape))
    for _ in range(8):
        generator(fed if len(fed) > 1 else fed[0], training=True)


def build(
    *,
    policy: str = "float32",
    dim: int = 8,
    widths: tuple[int, ...] = (12, 8),
    channels: int = 1,
    classes: int = 0,
    extra: Callable[[], keras.layers.Layer] | None = None,
    seed: int = 0,
) -> keras.Model:
    """Builds a generator like DCGAN's: 4x4, doubled by each further width and by a nested block."""
    keras.utils.set_random_seed(seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        z = keras.Input((dim,), name="z", dtype="float32")
        inputs, x = [z], z
        if classes:
            label = keras.Input((), dtype="int32", name="label")
            inputs.append(label)
            x = layers.Concatenate()([x, layers.Embedding(classes, 4)(label)])
        x = layers.Dense(4 * 4 * widths[0], use_bias=False)(x)
        x = layers.Reshape((4, 4, widths[0]))(x)
        for width in widths[1:]:
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
            x = layers.Conv2DTranspose(width, 4, 2, padding="same", use_bias=False)(x)
        if extra is not None:
            x = extra()(x)
        inner = keras.Input(x.shape[1:])
        y = layers.LeakyReLU(0.2)(layers.BatchNormalization()(inner))
        y = layers.SpectralNormalization(layers.Conv2DTranspose(channels, 4, 2, padding="same"))(y)
        x = keras.Model(inner, y, name="to_image")(x)
        # Spectral normalisation makes values small; a trained generator uses the whole range.
        x = layers.Activation("tanh", dtype="float32")(layers.Rescaling(4.0)(x))
    finally:
        keras.config.set_dtype_policy(before)
    return keras.Model(inputs if classes else z, x)


@pytest.fixture(scope="session")
def make_generator() -> Callable[..., keras.Model]:
    return build


@pytest.fixture(scope="session")
def settle_generator() -> Callable[[keras.Model], None]:
    return settle


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Unconditional, float32, all formats."""
    generator = build()
    settle(generator)
    folder = tmp_path_factory.mktemp("plain") / "export"
    about = {"flavour": "dcgan", "dataset": "digits", "step": np.int64(7)}
    options = Options(images=64)
    return Exported(generator, folder, export_generator(generator, folder, options, about=about))


@pytest.fixture(scope="session")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """With labels, uniform latents, built under mixed_float16, all formats."""
    generator = build(policy="mixed_float16", classes=3)
    settle(generator)
    folder = tmp_path_factory.mktemp("conditional") / "export"
    artifacts = export_generator(
        generator,
        folder,
        Options(images=64),
        latent_distribution="uniform",
        class_names=["cat", "dog", "7"],
    )
    return Exported(generator, folder, artifacts)


@pytest.fixture(scope="session")
def fixed(plain: Exported, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """`plain` with a batch of 3."""
    folder = tmp_path_factory.mktemp("fixed") / "export"
    return Exported(
        plain.generator,
        folder,
        export_generator(plain.generator, folder, Options(batch=3, images=64)),
    )


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A DCGAN of 32x32x3 with 1.07 million weights, all precisions and ONNX."""
    generator = build(dim=100, widths=(256, 128, 64), channels=3)
    settle(generator)
    folder = tmp_path_factory.mktemp("large") / "export"
    artifacts = export_generator(
        generator, folder, Options(("tflite", "onnx"), PRECISIONS, images=200)
    )
    return Exported(generator, folder, artifacts)
